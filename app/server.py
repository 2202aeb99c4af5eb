"""Serve the page on one address and port, on this machine only unless told otherwise."""

import logging
import socket
import threading
import time

import gradio as gr
import uvicorn
from fastapi import FastAPI

from app.clients import Doorkeeper
from app.store import SessionStore
from app.texts import STATIC, translations
from app.theme import theme
from kveraser_core.documents import MAX_BYTES
from kveraser_core.errors import KVEraserError

_SWEEP_S = 15.0
_GRACE_S, _END_S = 3, 6.0


class ServerFailed(KVEraserError):
    """The web server ended without being asked to."""


def serve(page: gr.Blocks, store: SessionStore, host: str, port: int, listener: socket.socket) -> None:
    """Serve `page` at `listener` until interrupted, sweeping `store` now and then."""
    outer = FastAPI(openapi_url=None)
    outer.add_middleware(Doorkeeper)
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
    print(f"KVEraser is at http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
    _run(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_GRACE_S), listener)


def _run(config: uvicorn.Config, listener: socket.socket) -> None:
    """Serve until interrupted. Requests then have `_GRACE_S` to end, and all that serves them `_END_S` in all.

    Uvicorn runs in a thread of its own: there it leaves signals alone, and what does not end is not waited for.
    A second interrupt ends the waiting.
    """
    server, ended = uvicorn.Server(config), threading.Event()

    def serving() -> None:
        try:
            server.run(sockets=[listener])
        finally:
            ended.set()

    threading.Thread(target=serving, daemon=True).start()
    try:
        ended.wait()  # Python 3.11 takes a thread whose join was interrupted for one that has ended
    except KeyboardInterrupt:
        logging.disable()  # of requests that are cut off
        server.should_exit = True
        ended.wait(_END_S)
    else:
        raise ServerFailed("The server ended by itself, for the reason given above: start it again.")


def _sweep(store: SessionStore) -> None:
    while True:
        time.sleep(_SWEEP_S)
        store.sweep()
