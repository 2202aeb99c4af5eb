"""The lock of a session: one call at a time, and nobody waits for ever.

A call that is at work is waited for. A stream whose pieces nobody takes, or a cache that somebody has open, may
never end: the thread that has it is refused at once, others after a while.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kveraser_core.errors import KVEraserError

PATIENCE_S = 30.0
"""How long a stream may rest while others wait."""


class SessionBusy(KVEraserError):
    """A call on a session that would wait for an answer or a cache that is still open."""


class SessionLock:
    """Held by one call at a time, from whichever thread; a call may rest, and go on in another thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._thread: int | None = None
        self._resting_since: float | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait until no other call holds the lock, and hold it. Raises `SessionBusy`."""
        with self._changed:
            while self._thread is not None:
                self._wait()
            self._thread = threading.get_ident()
        try:
            yield
        finally:
            with self._changed:
                self._thread = self._resting_since = None
                self._changed.notify()

    @contextmanager
    def tried(self) -> Iterator[bool]:
        """Hold the lock if no other call holds it; gives whether that is so."""
        with self._changed:
            if free := self._thread is None:
                self._thread = threading.get_ident()
        try:
            yield free
        finally:
            if free:
                with self._changed:
                    self._thread = None
                    self._changed.notify()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Inside this block the call that holds the lock waits for its caller."""
        with self._changed:
            self._resting_since = time.monotonic()
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._thread, self._resting_since = threading.get_ident(), None

    def _wait(self) -> None:
        if self._thread == threading.get_ident():
            raise SessionBusy(
                "This thread still has an answer or a cache of this document open: take the answer to its end, or "
                "close it, first."
            )
        if self._resting_since is None:
            self._changed.wait()
            return
        left = self._resting_since + PATIENCE_S - time.monotonic()
        if left <= 0:
            raise SessionBusy(
                "Another answer or cache of this document is open and nothing happens with it: close it, or try "
                "again later."
            )
        self._changed.wait(left)
