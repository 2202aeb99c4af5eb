"""The workspaces that are in memory, by opaque id: few of them, and none for longer than it is used.

An id is all that gives access to a document, so it cannot be guessed. A tab that is closed leaves its
workspace; unless the tab comes back (a reload does) it is freed soon after.
"""

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from app.workspace import Workspace
from kveraser_core.errors import KVEraserError


class UnknownSession(KVEraserError):
    """An id that no workspace has, or no longer; `key` is empty where there never was one."""

    def __init__(self, key: str) -> None:
        super().__init__(
            "This document is no longer in memory: load it again."
            if key
            else "There is no document yet: upload one or pick a sample."
        )
        self.key = key


@dataclass
class _Entry:
    workspace: Workspace
    owner: str
    used: float
    left: float | None = None


class SessionStore:
    """At most `most` workspaces; the one unused for longest goes first.

    All go `idle_s` seconds after their last use, and `grace_s` seconds after their tab was closed.
    """

    def __init__(self, most: int = 4, idle_s: float = 3600.0, grace_s: float = 60.0) -> None:
        self._most, self._idle_s, self._grace_s = most, idle_s, grace_s
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, workspace: Workspace, owner: str) -> str:
        """Keep `workspace` for the tab `owner`, instead of what that had, and return its new id."""
        key = secrets.token_urlsafe(24)
        with self._lock:
            self._sweep()
            for old in [old for old, entry in self._entries.items() if owner and entry.owner == owner]:
                del self._entries[old]
            self._entries[key] = _Entry(workspace, owner, time.monotonic())
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
        return key

    def get(self, key: str | None, owner: str | None = None) -> Workspace:
        """The workspace with this id; the tab `owner`, if given, has it from now on. Raises `UnknownSession`."""
        with self._lock:
            self._sweep()
            entry = self._entries.get(key or "")
            if entry is None:
                raise UnknownSession(key or "")
            entry.used = time.monotonic()
            if owner is not None:
                entry.owner, entry.left = owner, None
            self._entries.move_to_end(key or "")
            return entry.workspace

    def find(self, key: str | None) -> Workspace | None:
        """The workspace with this id, if it is still there."""
        with self._lock:
            entry = self._entries.get(key or "")
            return entry.workspace if entry else None

    def leave(self, owner: str) -> None:
        """The tab `owner` is gone: free what it had, unless it comes back in time."""
        with self._lock:
            for entry in self._entries.values():
                if entry.owner == owner:
                    entry.left = time.monotonic()
                    entry.workspace.stop.set()

    def sweep(self) -> None:
        """Free what nobody uses any more."""
        with self._lock:
            self._sweep()

    def _sweep(self) -> None:
        now = time.monotonic()
        for key, entry in list(self._entries.items()):
            gone = entry.left is not None and now - entry.left > self._grace_s
            if gone or now - entry.used > self._idle_s:
                del self._entries[key]
