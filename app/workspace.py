"""What the page keeps for one document: the session, what was asked, and what was compared."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from app.turns import Turns
from kveraser_core.documents.similar.finder import SimilarFinder
from kveraser_core.documents.spans import Span
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.edited_spans import EditedSpan
from kveraser_core.sessions.report import ErasureReport
from kveraser_core.sessions.session import DocumentSession

TURNS, COMPARISONS = 200, 50
"""How many questions and comparisons are kept, the newest."""


@dataclass(eq=False)
class AskedTurn:
    """A question, what was edited when it was asked, and its answer, which may still be coming.

    `place` is the question's place in the line and how many wait, while it waits. An answer that was cut off has
    no `answer`, and `stopped` is the key of the text that says why.
    """

    question: str
    method: str
    edits: tuple[EditedSpan, ...] = ()
    text: str = ""
    answer: Answer | None = None
    stopped: str = ""
    place: tuple[int, int] | None = None


@dataclass
class Comparison:
    """One question answered by several erase methods, with so many `suffix_tokens` after the first erased span."""

    question: str
    edits: tuple[EditedSpan, ...] = ()
    suffix_tokens: int = 0
    answers: list[Answer] = field(default_factory=list)


@dataclass
class PrefillTime:
    """How many tokens were prefilled after how many seconds, those of waiting left out: the points of a curve."""

    started: float = field(default_factory=time.perf_counter)
    points: list[tuple[int, float]] = field(default_factory=list)
    total: int = 0

    def start(self) -> None:
        self.started = time.perf_counter()

    def mark(self, tokens: int, total: int) -> None:
        self.total = total
        self.points.append((tokens, time.perf_counter() - self.started))

    def leave_out(self, seconds: float) -> None:
        self.started += seconds


@dataclass
class Workspace:
    """One user's document and everything done with it.

    Requests that work on it wait in its `line`; `asking` and `comparing` hold what stops those that are under way.
    `report` is the last one, of whatever was edited then.
    """

    session: DocumentSession
    prefill: PrefillTime = field(default_factory=PrefillTime)
    tips: list[Span] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    turns: deque[AskedTurn] = field(default_factory=lambda: deque(maxlen=TURNS))
    comparisons: deque[Comparison] = field(default_factory=lambda: deque(maxlen=COMPARISONS))
    asking: set[threading.Event] = field(default_factory=set)
    comparing: set[threading.Event] = field(default_factory=set)
    line: Turns = field(default_factory=Turns)
    report: ErasureReport | None = None

    def __post_init__(self) -> None:
        self.similar = SimilarFinder(self.session.document.text)

    @property
    def edits(self) -> tuple[EditedSpan, ...]:
        """What is erased or replaced now."""
        return tuple(self.session.spans)

    @property
    def edited(self) -> list[Span]:
        """The characters that are erased or replaced now."""
        return [edit.characters for edit in self.session.spans]

    def stop(self) -> None:
        """Stop every answer and comparison that is under way."""
        for stop in (*self.asking, *self.comparing):
            stop.set()
