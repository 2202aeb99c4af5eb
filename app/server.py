"""Serve the page on one address and port, on this machine only unless told otherwise."""

import socket
import threading
import time

import gradio as gr
import uvicorn
from fastapi import FastAPI

from app.clients import RateLimit
from app.store import SessionStore
from app.texts import STATIC, translations
from app.theme import theme
from kveraser_core.documents import MAX_BYTES
from kveraser_core.errors import KVEraserError

_SWEEP_S = 15.0


class PortTaken(KVEraserError):
    """Something else listens where the page was to be served."""


def serve(page: gr.Blocks, store: SessionStore, host: str, port: int) -> None:
    """Serve `page` until interrupted, sweeping `store` now and then. Raises `PortTaken`."""
    outer = FastAPI(openapi_url=None)
    outer.add_middleware(RateLimit)
    app = gr.mount_gradio_app(
        outer,
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
        theme=theme(),
        css=(STATIC / "page.css").read_text(encoding="utf-8"),
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
