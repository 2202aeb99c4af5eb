"""Who sends a request, whether they still listen, and how many requests they may send.

A client is an address: what a request says about itself in headers is not believed. So users behind one proxy are
one client.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import gradio as gr
from gradio.context import LocalContext
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

UNHEARD_S = 20.0
"""Seconds after which a client that does not fetch what it is sent counts as gone."""
A_SECOND, AT_ONCE = 20.0, 120.0
"""POST requests of one client: that many a second, and that many at once after a pause."""
UNFETCHED, UNFETCHED_S = 64, 120.0
"""Answers that one client may have asked for and not fetched, each counted for so many seconds."""
_CLIENTS = 4096
_TOO_MANY = JSONResponse(
    {"detail": "These are too many requests at once: wait a few seconds."},
    429,
    {"retry-after": str(math.ceil(AT_ONCE / A_SECOND)), "connection": "close"},
)


def client_of(request: gr.Request | None) -> str:
    """The client that sent `request`: an IPv4 address, or the /64 network of an IPv6 one, which is one user's."""
    peer = getattr(request, "client", None)
    return client_at(peer.host if peer else "")


def listening() -> Callable[[], bool]:
    """A function that says whether the client of the event that now runs still listens.

    Not so once its stream of answers was closed, its job cancelled, or what it was sent has not been fetched for
    `UNHEARD_S` seconds. Gradio has no public call for it, so its queue is looked at.
    """
    blocks, event_id = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    queue: Any = None if blocks is None else blocks._queue
    event = None if queue is None else queue.event_ids_to_events.get(event_id)
    if event is None:
        return lambda: True
    heard = time.monotonic()

    def listens() -> bool:
        nonlocal heard
        messages = queue.pending_messages_per_session.get(event.session_hash)
        if not event.alive or event_id not in queue.event_ids_to_events or messages is None:
            return False
        if messages.empty():
            heard = time.monotonic()
        return time.monotonic() - heard < UNHEARD_S

    return listens


class Unfetched:
    """The answers that clients have asked for and not begun to fetch: Gradio has places for 2,000 of them in all."""

    def __init__(self) -> None:
        self._asked: dict[str, OrderedDict[object, float]] = {}

    def ask(self, client: str, session: str | None) -> bool:
        """Note that `client` asks for an answer, in the stream `session` or one of its own; whether it may."""
        before = time.monotonic() - UNFETCHED_S
        for name, asked in list(self._asked.items()):
            while asked and next(iter(asked.values())) < before:
                asked.popitem(last=False)
            if not asked:
                del self._asked[name]
        mine = self._asked.setdefault(client, OrderedDict())
        if session not in mine and len(mine) >= UNFETCHED:
            return False
        key = session or object()
        mine[key] = time.monotonic()
        mine.move_to_end(key)
        return True

    def fetch(self, client: str, session: str | None) -> None:
        """`client` fetches the stream `session`, or the answer to one call."""
        mine = self._asked.get(client)
        if mine and session:
            mine.pop(session, None)
        elif mine:
            call = next((key for key in mine if not isinstance(key, str)), None)
            mine.pop(call, None)


class RateLimit:
    """ASGI middleware that bounds each client's POST requests: Gradio keeps something of every one for a while."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            client = client_at((scope.get("client") or ("",))[0])
            if not self._let_in(client):
                return await _TOO_MANY(scope, receive, send)
        return await self.app(scope, receive, send)

    def _let_in(self, client: str) -> bool:
        now = time.monotonic()
        spent, then = self._spent.pop(client, (0.0, now))
        spent = max(0.0, spent - (now - then) * A_SECOND) + 1
        allowed = spent <= AT_ONCE
        self._spent[client] = (spent if allowed else spent - 1, now)
        if len(self._spent) > _CLIENTS:
            self._spent.popitem(last=False)
        return allowed


def client_at(host: str) -> str:
    """The client at the address `host`."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
