"""Serve the page on one address and port, on this machine only unless told otherwise."""

import socket
import threading
import time

import gradio as gr
import uvicorn
from fastapi import FastAPI

from app.page import STYLE
from app.store import SessionStore
from app.texts import translations
from kveraser_core.documents import MAX_BYTES
from kveraser_core.errors import KVEraserError

_WAITING = 32
_INDIGO = gr.themes.Color(  # a shade darker than usual, for contrast
    "#eef2ff",
    "#e0e7ff",
    "#c7d2fe",
    "#a5b4fc",
    "#818cf8",
    "#4f46e5",
    "#4338ca",
    "#3730a3",
    "#312e81",
    "#272463",
    "#1e1b4b",
)
_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans", "PingFang SC", "Noto Sans CJK SC", "sans-serif")
_MONOSPACE = ("ui-monospace", "Cascadia Code", "Noto Sans Mono", "monospace")
_SWEEP_S = 15.0


class PortTaken(KVEraserError):
    """Something else listens where the page was to be served."""


def serve(page: gr.Blocks, store: SessionStore, host: str, port: int) -> None:
    """Serve `page` until interrupted, sweeping `store` now and then. Raises `PortTaken`."""
    page.queue(max_size=_WAITING)
    app = gr.mount_gradio_app(
        FastAPI(openapi_url=None),
        page,
        path="",
        server_name=host,
        server_port=port,
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        show_error=False,
        max_file_size=MAX_BYTES,
        ssr_mode=False,
        theme=gr.themes.Soft(primary_hue=_INDIGO, font=_FONTS, font_mono=_MONOSPACE),
        css=STYLE,
        i18n=translations,
        mcp_server=True,
    )
    threading.Thread(target=_sweep, args=(store,), daemon=True).start()
    with _listening(host, port) as listener:
        print(f"KVEraser is at http://{host}:{port}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


def _sweep(store: SessionStore) -> None:
    while True:
        time.sleep(_SWEEP_S)
        store.sweep()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"The page cannot be served at {host}:{port} ({error.strerror}): give another --port."
        ) from error
    return listener
