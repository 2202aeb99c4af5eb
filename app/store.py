"""The workspaces that are in memory, by opaque id: as many as their budget of bytes holds, each while it is used.

An id is all that gives access to a document, so it cannot be guessed. A tab that is closed leaves its workspace;
once the last of its tabs is gone it is freed soon after, unless one comes back (a reload does).

A document takes its share of the budget before it is prefilled. Where that needs room, its own client's documents go
first once that client is over its fair share; only a client below it gets room from others, and then from the one
that holds most. A document on which a request works never goes.
"""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.departed import Departed
from app.texts import WordedError
from app.workspace import Workspace

OF_A_CLIENT = 16
"""Documents of one client."""


class UnknownSession(WordedError):
    """An id that no workspace has, or no longer, and why."""


class NoRoom(WordedError):
    """A document for which there is no memory."""


@dataclass(eq=False)
class Room:
    """Bytes taken for a document of `client`; `workspace` is there once it was prefilled."""

    client: str
    nbytes: int
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    workspace: Workspace | None = None
    owners: set[str] = field(default_factory=set)
    used: float = 0.0
    users: int = 0
    left: float | None = None


class SessionStore:
    """Workspaces of at most `budget` bytes in all, and a few of each client; those unused for longest go first.

    All go `idle_s` seconds after their last use, and `grace_s` seconds after their last tab was closed. With
    `exact_soon` their edits are recomputed in the background, but not while no tab of theirs is open.
    """

    def __init__(
        self, budget: int = 2 << 30, idle_s: float = 3600.0, grace_s: float = 60.0, exact_soon: bool = True
    ) -> None:
        self.budget, self.exact_soon = budget, exact_soon
        self._idle_s, self._grace_s = idle_s, grace_s
        self._rooms: dict[str, Room] = {}
        self._departed = Departed()
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """Bytes that are taken."""
        with self._lock:
            return sum(room.nbytes for room in self._rooms.values())

    @contextmanager
    def room(self, nbytes: int, client: str, owner: str = "") -> Iterator[Room]:
        """Take room for a document that the tab `owner` of `client` opens; it is kept if the document is added.

        A program has no tab: its owner is empty. Raises `NoRoom`.
        """
        with self._lock:
            self._sweep()
            self._make_room(nbytes, client, owner)
            room = Room(client, nbytes, owners={owner})
            self._rooms[room.key] = room
        try:
            yield room
        finally:
            with self._lock:
                if room.workspace is None:
                    self._rooms.pop(room.key, None)

    def add(self, workspace: Workspace, room: Room) -> str:
        """Keep `workspace` in its room, instead of what its tab had, and return its id."""
        with self._lock:
            for owner in filter(None, room.owners):
                for old in self._of(owner):
                    old.owners.discard(owner)
                    if not old.owners:
                        self._drop(old, "e_gone_replaced")
            room.workspace, room.used = workspace, time.monotonic()
        return room.key

    def get(self, key: str | None, owner: str | None = None) -> Workspace:
        """The workspace with this id; the tab `owner`, if given, has it too from now on. Raises `UnknownSession`."""
        with self._lock:
            return self._entry(key, owner)[1]

    @contextmanager
    def using(self, key: str | None, owner: str | None = None) -> Iterator[Workspace]:
        """Like `get`; the workspace stays while it is used so."""
        with self._lock:
            room, workspace = self._entry(key, owner)
            room.users += 1
        try:
            yield workspace
        finally:
            with self._lock:
                room.users -= 1
                room.used = time.monotonic()

    def find(self, key: str | None) -> Workspace | None:
        """The workspace with this id, if it is still there."""
        with self._lock:
            room = self._rooms.get(key or "")
            return room.workspace if room else None

    def leave(self, owner: str) -> None:
        """The tab `owner` is gone: free what it alone had, unless it comes back in time."""
        with self._lock:
            for room in self._of(owner):
                room.owners.discard(owner)
                if not room.owners and room.workspace:
                    room.left = time.monotonic()
                    room.workspace.stop()
                    room.workspace.exact_soon = False

    def sweep(self) -> None:
        """Free what nobody uses any more."""
        with self._lock:
            self._sweep()

    def _entry(self, key: str | None, owner: str | None) -> tuple[Room, Workspace]:
        self._sweep()
        room = self._rooms.get(key or "")
        if room is None or room.workspace is None:
            raise UnknownSession((self._departed.reason(key) or "e_gone") if key else "e_no_document")
        room.used = time.monotonic()
        if owner:
            room.owners.add(owner)
            if room.left is not None:
                room.left, room.workspace.exact_soon = None, self.exact_soon
        return room, room.workspace

    def _of(self, owner: str) -> list[Room]:
        return [room for room in self._rooms.values() if owner in room.owners and room.workspace]

    def _make_room(self, nbytes: int, client: str, owner: str) -> None:
        """Drop documents until there is room for one more; none is dropped where that is not enough."""
        numbers = {"need": _mb(nbytes), "budget": _mb(self.budget)}
        if nbytes > self.budget:
            raise NoRoom("e_no_room_ever", **numbers)
        rooms, dropped = list(self._rooms.values()), list[Room]()
        while sum(room.nbytes for room in rooms) + nbytes > self.budget or _count(rooms, client) >= OF_A_CLIENT:
            victim = self._victim(rooms, nbytes, client, owner)
            if victim is None:
                raise NoRoom("e_no_room_now", **numbers)
            rooms.remove(victim)
            dropped.append(victim)
        for room in dropped:
            self._drop(room, "e_gone_room")

    def _victim(self, rooms: list[Room], nbytes: int, client: str, owner: str) -> Room | None:
        """The room of `rooms` that goes first for `nbytes` more of `client`."""
        held = dict.fromkeys([client, *(room.client for room in rooms)], 0)
        for room in rooms:
            held[room.client] += room.nbytes
        share = self.budget / len(held)
        many = _count(rooms, client) >= OF_A_CLIENT
        if many or held[client] + nbytes > share:
            own = _oldest([room for room in rooms if room.client == client], owner)
            if own or many or held[client] >= share:
                return own
        for most in sorted({size for other, size in held.items() if other != client and size > share}, reverse=True):
            if found := _oldest([room for room in rooms if room.client != client and held[room.client] == most]):
                return found
        return None

    def _drop(self, room: Room, reason: str) -> None:
        self._rooms.pop(room.key, None)
        if room.workspace:
            room.workspace.exact_soon = False
        self._departed.note(room.client, room.key, reason)

    def _sweep(self) -> None:
        now = time.monotonic()
        for room in list(self._rooms.values()):
            if room.workspace is None or room.users:
                continue
            if room.left is not None and now - room.left > self._grace_s:
                self._drop(room, "e_gone_closed")
            elif now - room.used > self._idle_s:
                self._drop(room, "e_gone_idle")


def _count(rooms: list[Room], client: str) -> int:
    return sum(room.client == client for room in rooms)


def _oldest(rooms: list[Room], owner: str = "") -> Room | None:
    """The room to give up: what only the tab `owner` has, which is about to be replaced, else that unused longest."""
    free = [room for room in rooms if room.workspace and not room.users]
    return min(free, key=lambda room: (not owner or room.owners != {owner}, room.used), default=None)


def _mb(nbytes: int) -> str:
    return f"{nbytes / 2**20:,.0f}"
