"""The lock of a model: passes take turns, and what works in the background has it only while nobody else wants it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

QUIET_S = 0.05
"""How long nobody may have wanted the model before the background goes on: longer than between two of a question's
passes."""


class Interrupted(Exception):
    """A pass in the background that is no longer wanted."""


class ModelLock:
    """Held by one thread at a time, which may take it again; as a context it is taken for a user, who comes first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._thread: int | None = None
        self._depth = 0
        self._waiting = 0
        self._used = -QUIET_S

    def __enter__(self) -> None:
        thread = threading.get_ident()
        with self._changed:
            if self._thread != thread:
                self._waiting += 1
                try:
                    while self._thread is not None:
                        self._changed.wait()
                finally:
                    self._waiting -= 1
                self._thread = thread
            self._depth += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._used = time.monotonic()
            self._leave()

    @contextmanager
    def in_background(self, unwanted: Callable[[], bool]) -> Iterator[Callable[[], float]]:
        """Hold the lock once nobody has wanted it for a moment.

        Yields what is to be called often inside: it lets others have the lock where they wait for it, and returns the
        seconds until it was ours again. It and the beginning raise `Interrupted` when `unwanted` says so.
        """
        self._take_quietly(unwanted)
        try:
            yield lambda: self._give_way(unwanted)
        finally:
            with self._changed:
                if self._thread == threading.get_ident():
                    self._leave()

    @contextmanager
    def without_background(self) -> Iterator[None]:
        """Inside, nothing has the lock in the background: for work beside the model that somebody waits for."""
        with self._changed:
            self._waiting += 1
        try:
            yield
        finally:
            with self._changed:
                self._waiting -= 1

    def _give_way(self, unwanted: Callable[[], bool]) -> float:
        if unwanted():
            raise Interrupted
        if not self._waiting:
            return 0.0
        since = time.monotonic()
        with self._changed:
            self._leave()
        self._take_quietly(unwanted)
        return time.monotonic() - since

    def _take_quietly(self, unwanted: Callable[[], bool]) -> None:
        while not unwanted():
            with self._changed:
                free = self._thread is None and not self._waiting
                if free and time.monotonic() - self._used >= QUIET_S:
                    self._thread, self._depth = threading.get_ident(), 1
                    return
            time.sleep(QUIET_S / 2)
        raise Interrupted

    def _leave(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._thread = None
            self._changed.notify()
