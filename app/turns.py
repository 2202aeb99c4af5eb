"""Turns at the model: the client that has had least of its time is next, first come first served within a client.

A turn is given back after a moment's work (a chunk of a prefill, some tokens of an answer), so that nobody
waits for another's whole request. How many requests may be open is bounded, for each client and in all.
"""

import math
import threading
import time
from collections import Counter
from itertools import count

from app.texts import WordedError

OF_A_CLIENT = 5
"""Requests of one client that are let in at a time: one at the model and four that wait."""
OF_ALL = 24
RESERVED = 8
"""Further requests that are let in, each of a client that has no other."""


class TooManyRequests(WordedError):
    """More requests than wait at a time, of this client or of all."""


class Turns:
    """Who has the model, and who is next."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.holder: Turn | None = None
        self.waiting: list[Turn] = []
        self._open: Counter[str] = Counter()
        self._used: dict[str, float] = {}
        self._clock = 0.0
        self._numbers = count()

    def open(self, client: str) -> "Turn":
        """Let a request of `client` in; it waits for nothing yet. Raises `TooManyRequests`."""
        with self.changed:
            mine, all_of_them = self._open[client], self._open.total()
            if mine >= OF_A_CLIENT:
                raise TooManyRequests("e_your_requests", n=mine)
            if all_of_them >= OF_ALL + (0 if mine else RESERVED):
                raise TooManyRequests("e_all_requests", n=all_of_them)
            self._open[client] += 1
            self._used[client] = max(self._used.get(client, 0.0), self._clock)
            return Turn(self, client)

    def order(self) -> "list[Turn]":
        """Those who wait, the next one first."""
        rank: Counter[str] = Counter()
        keys = {}
        for turn in sorted(self.waiting, key=lambda turn: turn.number):
            now = self.holder.slice_s if self.holder and self.holder.client == turn.client else 0.0
            keys[turn] = (rank[turn.client], self._used[turn.client] + now, turn.number)
            rank[turn.client] += 1
        return sorted(keys, key=keys.__getitem__)

    def take(self, turn: "Turn") -> None:
        self.waiting.remove(turn)
        self.holder = turn
        self._clock = max(self._clock, self._used[turn.client])

    def join(self, turn: "Turn") -> None:
        if turn not in self.waiting:
            turn.number = next(self._numbers)
            self.waiting.append(turn)

    def give_back(self, client: str, seconds: float) -> None:
        self.holder = None
        self._used[client] += seconds
        self.changed.notify_all()

    def close(self, turn: "Turn") -> None:
        if turn in self.waiting:
            self.waiting.remove(turn)
        self._open -= Counter([turn.client])
        # What a client has used is kept until the others have had as much: asking anew wins nothing.
        self._used = {client: used for client, used in self._used.items() if used > self._clock or self._open[client]}
        self.changed.notify_all()


class Turn:
    """A request that was let in: it has the model, waits for it, or does neither.

    `held_s` are the seconds for which it has had the model, up to when it gave it back last.
    """

    def __init__(self, turns: Turns, client: str) -> None:
        self.turns, self.client = turns, client
        self.number = 0
        self.held_s = 0.0
        self._since = math.nan
        self._closed = False

    def wait(self, seconds: float) -> tuple[int, int] | None:
        """Wait for the model that long at most: `None` once it is ours, else our place and how many wait."""
        turns = self.turns
        with turns.changed:
            if turns.holder is self:
                return None
            turns.join(self)
            if turns.changed.wait_for(lambda: not turns.holder and turns.order()[0] is self, seconds):
                turns.take(self)
                self._since = time.monotonic()
                return None
            return turns.order().index(self) + 1, len(turns.waiting)

    @property
    def slice_s(self) -> float:
        """Seconds since the model is ours; 0 while it is not."""
        return time.monotonic() - self._since if self.turns.holder is self else 0.0

    @property
    def wanted(self) -> bool:
        """Whether anybody waits."""
        return bool(self.turns.waiting)

    def give_back(self) -> None:
        """Let the next one have the model."""
        with self.turns.changed:
            if self.turns.holder is self:
                seconds = time.monotonic() - self._since
                self.held_s += seconds
                self.turns.give_back(self.client, seconds)

    def close(self) -> None:
        """The request is over."""
        with self.turns.changed:
            self.give_back()
            if not self._closed:
                self._closed = True
                self.turns.close(self)
