"""The sessions that are in memory, by opaque id: few of them, and none for longer than it is used."""

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from kveraser_core.errors import KVEraserError
from kveraser_core.session import DocumentSession


class UnknownSession(KVEraserError):
    """An id that no session has, or no longer."""


@dataclass
class _Entry:
    session: DocumentSession
    owner: str
    used: float


class SessionStore:
    """At most `most` sessions; the one unused for longest goes first, and all after `idle_s` seconds."""

    def __init__(self, most: int = 4, idle_s: float = 3600.0) -> None:
        self._most, self._idle_s = most, idle_s
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, session: DocumentSession, owner: str) -> str:
        """Keep `session` for the browser tab `owner` and return its id, which cannot be guessed."""
        key = secrets.token_urlsafe(24)
        with self._lock:
            self._expire()
            self._entries[key] = _Entry(session, owner, time.monotonic())
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
        return key

    def get(self, key: str | None) -> DocumentSession:
        """The session with this id. Raises `UnknownSession`."""
        with self._lock:
            self._expire()
            entry = self._entries.get(key or "")
            if entry is None:
                raise UnknownSession(
                    "This document is no longer in memory: load it again."
                    if key
                    else "There is no document yet: upload one or pick a sample."
                )
            entry.used = time.monotonic()
            self._entries.move_to_end(key or "")
            return entry.session

    def drop(self, owner: str) -> None:
        """Forget the sessions of a tab that is gone, or that loads another document."""
        with self._lock:
            for key in [key for key, entry in self._entries.items() if entry.owner == owner]:
                del self._entries[key]

    def _expire(self) -> None:
        oldest = time.monotonic() - self._idle_s
        for key in [key for key, entry in self._entries.items() if entry.used < oldest]:
            del self._entries[key]
