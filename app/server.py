"""Serve the page on one address and port, on this machine only unless told otherwise."""

import logging
import socket
import threading
import time

import uvicorn

from app import uploads
from app.blocks import Blocks
from app.clients import RateLimit
from app.hosts import Hosts
from app.store import SessionStore
from app.web import web_app
from kveraser_core.errors import KVEraserError

_SWEEP_S = 15.0
_GRACE_S, _END_S = 3, 6.0


class ServerFailed(KVEraserError):
    """The web server ended without being asked to."""


def serve(page: Blocks, store: SessionStore, listener: socket.socket, hosts: Hosts, token: str | None = None) -> None:
    """Serve `page` at `listener` until interrupted, sweeping `store` and the uploads now and then.

    It answers to the names of `hosts`, and where there is a `token` only to those who have it.
    """
    app = RateLimit(web_app(page, hosts, token))
    threading.Thread(target=_sweep, args=(store,), daemon=True).start()
    print(f"KVEraser is at {hosts.address}" + (f"/?token={token}" if token else ""), flush=True)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # it would show addresses, which have tokens
        proxy_headers=False,  # a caller may say anything in them
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=_GRACE_S,
    )
    _run(config, listener)


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
        uploads.sweep()
