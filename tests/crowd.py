"""Clients of a served tiny model, each at a loopback address of its own, well behaved or not."""

import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from app.page import Page
from app.store import SessionStore
from app.work import ANSWER_TOKENS
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.memory import document_bytes
from tests.serving import serve_here

FACT = "Pier {n} takes {n} coins from every ship. "


class Refused(Exception):
    """The server's sentence instead of an answer."""


class Client:
    """Calls the named endpoints by plain HTTP, from the loopback address `address`."""

    def __init__(self, port: int, address: str) -> None:
        self.port, self.address = port, address

    def connect(self, timeout: float = 120) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout, source_address=(self.address, 0))

    def post(self, path: str, body: object) -> tuple[int, bytes]:
        connection = self.connect()
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        reply = connection.getresponse()
        try:
            return reply.status, reply.read()
        finally:
            connection.close()

    def begin(self, name: str, *data: object) -> str:
        """Start a call; its event's id."""
        status, body = self.post(f"/gradio_api/call/{name}", {"data": data})
        if status != 200:
            raise Refused(f"{status} {body.decode()}")
        return json.loads(body)["event_id"]

    def listen(self, name: str, event: str) -> http.client.HTTPConnection:
        """Open the stream of an event's answers."""
        connection = self.connect()
        connection.request("GET", f"/gradio_api/call/{name}/{event}")
        return connection

    def call(self, name: str, *data: object) -> object:
        """What the endpoint answers. Raises `Refused`."""
        connection = self.listen(name, self.begin(name, *data))
        try:
            kind = ""
            for line in connection.getresponse():
                if line.startswith(b"event: "):
                    kind = line[7:].strip().decode()
                elif line.startswith(b"data: ") and kind in ("complete", "error"):
                    said = json.loads(line[6:])
                    if kind == "error":
                        raise Refused(str(said))
                    return said[0]
            raise Refused("the stream ended")
        finally:
            connection.close()


def served(backbone: Backbone, documents: int) -> tuple[int, SessionStore]:
    """The app over `backbone`, with memory for so many short documents: its port and its store."""
    store = SessionStore(documents * 2 * document_bytes(backbone, 300))
    return serve_here(Page(backbone, store).blocks, store), store


def text(length: int) -> str:
    """A document that is like no other."""
    return uuid.uuid4().hex + " " + "".join(FACT.format(n=number) for number in range(length))


class Record:
    """What happened to one client."""

    def __init__(self) -> None:
        self.answered = 0
        self.longest_s = 0.0
        self.failed: list[str] = []
        self.announced = 0
        self.unannounced = 0

    def timed(self, work: Callable[[], object]) -> object:
        """Do `work` and note how long it took and whether it went well."""
        started = time.monotonic()
        try:
            done = work()
            self.answered += 1
            return done
        except Refused as refused:
            said = str(refused)
            if "was dropped" in said:
                self.announced += 1
            elif "no longer in memory" in said:
                self.unannounced += 1
            self.failed.append(said)
            return None
        finally:
            self.longest_s = max(self.longest_s, time.monotonic() - started)


def behave(client: Client, record: Record, stop: threading.Event, pause_s: float = 0.05) -> None:
    """Load a document, then ask, erase, take back and compare; load again if it is gone."""
    loaded: dict[str, object] | None = None
    while not stop.is_set():
        if loaded is None:
            loaded = record.timed(lambda: client.call("load", text(5), "a"))  # type: ignore[assignment]
            continue
        session = loaded["session"]
        before = record.announced + record.unannounced
        for work in (
            lambda session=session: client.call("ask", session, "How many coins?", "", 16, False, True, False),
            lambda session=session: client.call("erase", session, "Pier 1", 0, 0, "delete_shift", False),
            lambda session=session: client.call("undo", session),
            lambda session=session: client.call("compare", session, "How many?", ["none", "mask"], 8, True),
        ):
            if not stop.is_set():
                record.timed(work)
                time.sleep(pause_s)
        if record.announced + record.unannounced > before:
            loaded = None


def misbehave(client: Client, stop: threading.Event, tally: Counter[str], seed: int) -> None:
    """Load in a loop, ask for the longest answers, read nothing, drop connections, send floods."""
    choose = random.Random(seed)
    sessions: list[str] = []

    def load() -> None:
        sessions.append(client.call("load", text(15), "flood")["session"])  # type: ignore[index]

    def held(name: str, *data: object) -> None:
        connection = client.listen(name, client.begin(name, *data))
        connection.sock.settimeout(5)
        connection.close()

    def session() -> str:
        return choose.choice(sessions or ["none"])

    deeds: dict[str, Callable[[], object]] = {
        "load": load,
        "ask for 100,000 tokens": lambda: client.call(
            "ask", session(), "All of it?", "", 100_000, False, True, False
        ),
        "ask for the longest answer": lambda: client.call(
            "ask", session(), "All?", "full_recompute", ANSWER_TOKENS, False, True, False
        ),
        "ask and never listen": lambda: client.begin(
            "ask", session(), "All of it?", "", ANSWER_TOKENS, False, True, False
        ),
        "ask and hang up": lambda: held("ask", session(), "All of it?", "", ANSWER_TOKENS, False, True, False),
        "load and hang up": lambda: held("load", text(15), "flood"),
        "compare everything": lambda: client.call(
            "compare", session(), "All?", ["none", "mask", "erratum"], 256, True
        ),
        "send half a request": lambda: client.connect().connect(),
        "flood": lambda: [client.begin("export", session(), "json", False) for _ in range(50)],
    }
    while not stop.is_set():
        name = choose.choice(list(deeds))
        with suppress(Refused, OSError, http.client.HTTPException, ValueError):
            tally[name] += 1
            deeds[name]()
            tally[name + ", done"] += 1
