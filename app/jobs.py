"""One request's work with the model: let in, waiting for its document and its turn, given up when nobody listens.

The order is always the document, then the model: nobody waits for a document while holding the model.
"""

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

import gradio as gr

from app.clients import client_of, listening
from app.texts import WordedError
from app.turns import Turn, Turns
from app.workspace import Workspace

LONGEST_S = 120.0
"""Seconds of the model's time for one answer or comparison."""
FOR_A_DOCUMENT_S = 120.0
"""Seconds that a request waits for another one of the same document."""
SLICE_S = 0.1
_POLL_S = 0.5


class DocumentBusy(WordedError):
    """Another request has worked on the same document for too long to wait for it."""


class Stopped(WordedError):
    """A request that was cancelled while it waited, or to whose answer nobody listens any more."""


class Job:
    """What `request` has to do with the model: a context, within which it takes the model and gives it back.

    `place` is its place in the line and how many wait, while it waits. Raises `TooManyRequests` when it is made.
    """

    def __init__(self, turns: Turns, request: gr.Request | None) -> None:
        self.client = client_of(request)
        self.place: tuple[int, int] | None = None
        self.cancelled = threading.Event()
        self._listens = listening()
        self._turns = [turns.open(self.client)]

    def __enter__(self) -> "Job":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what was taken, and the request's place."""
        for turn in reversed(self._turns):
            turn.close()

    @property
    def stopped(self) -> bool:
        """Whether the work was cancelled or its client is gone."""
        return self.cancelled.is_set() or not self._listens()

    @property
    def time_is_over(self) -> bool:
        """Whether the request has had the model for as long as one may."""
        turn = self._turns[-1]
        return turn.held_s + turn.slice_s > LONGEST_S

    def take(self, workspace: Workspace | None = None) -> None:
        """Wait for `workspace`, if any, then for the model. Raises `DocumentBusy` and `Stopped`."""
        if workspace:
            self._turns.insert(0, workspace.line.open(self.client))
            self._wait(self._turns[0], FOR_A_DOCUMENT_S)
        self._wait(self._turns[-1])

    def give_way(self) -> float:
        """Let others have the model if they wait and we had it for a moment; the seconds until it is ours again."""
        turn = self._turns[-1]
        if not turn.wanted or turn.slice_s < SLICE_S:
            return 0.0
        since = time.monotonic()
        turn.give_back()
        self._wait(turn)
        return time.monotonic() - since

    def _wait(self, turn: Turn, most_s: float = float("inf")) -> None:
        since = time.monotonic()
        try:
            while place := turn.wait(_POLL_S):
                self.place = place
                if self.stopped:
                    raise Stopped("e_stopped")
                if time.monotonic() - since > most_s:
                    raise DocumentBusy("e_document_busy", s=round(most_s))
        finally:
            self.place = None


class Watched:
    """A job in a thread of its own, which never waits for who watches it. Raises `TooManyRequests`."""

    def __init__(self, turns: Turns, request: gr.Request | None, work: Callable[[Job], None]) -> None:
        self.job = Job(turns, request)
        self._work = work
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the system gives no more threads
            self.job.close()
            raise

    def moments(self, every_s: float) -> Iterator[None]:
        """Go on every so many seconds and at the end, and raise what the work raised. To leave early cancels it."""
        try:
            while self._thread.is_alive():
                yield
                self._thread.join(every_s)
        finally:
            self.job.cancelled.set()
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            with self.job:
                self._work(self.job)
        except BaseException as error:
            self._error = error
