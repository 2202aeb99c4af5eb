"""Serve the page on one address and port, on this machine only unless told otherwise."""

import socket
import threading
import time
from collections.abc import Iterable

import uvicorn

from app import uploads
from app.blocks import Blocks
from app.hosts import Hosts
from app.store import SessionStore
from app.web import web_app
from kveraser_core.errors import KVEraserError

_SWEEP_S = 15.0


class PortTaken(KVEraserError):
    """Something else listens where the page was to be served."""


def serve(
    page: Blocks, store: SessionStore, host: str, port: int, token: str | None = None, names: Iterable[str] = ()
) -> None:
    """Serve `page` until interrupted, sweeping `store` and the uploads now and then.

    It answers to its own names and `names`, and where there is a `token` only to those who have it. Raises
    `PortTaken` and `HostNameError`.
    """
    hosts = Hosts(host, port, names)
    app = web_app(page, hosts, token)
    threading.Thread(target=_sweep, args=(store,), daemon=True).start()
    with _listening(host, port) as listener:
        print(f"KVEraser is at {hosts.address}" + (f"/?token={token}" if token else ""), flush=True)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, proxy_headers=False, server_header=False, ws="none"
        )  # no log of addresses, which have tokens, and no trust in what a proxy is said to have seen
        uvicorn.Server(config).run(sockets=[listener])


def _sweep(store: SessionStore) -> None:
    while True:
        time.sleep(_SWEEP_S)
        store.sweep()
        uploads.sweep()


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
