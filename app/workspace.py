"""What the page keeps for one document: the session, what was asked, and what was compared."""

import threading
import time
from dataclasses import dataclass, field

from kveraser_core.answers import Answer
from kveraser_core.session import DocumentSession
from kveraser_core.similar import SimilarFinder
from kveraser_core.spans import Span


@dataclass
class AskedTurn:
    """A question, the passages erased when it was asked, and its answer, which may still be coming."""

    question: str
    method: str
    edits: tuple[Span, ...]
    text: str = ""
    answer: Answer | None = None
    stopped: bool = False


@dataclass
class Comparison:
    """One question answered by several methods; `tokens_behind` the first erased passage."""

    question: str
    edits: tuple[Span, ...]
    tokens_behind: int
    answers: list[Answer] = field(default_factory=list)


@dataclass
class ReadingTime:
    """How far reading had come after how many seconds: the points of a curve."""

    started: float = field(default_factory=time.perf_counter)
    points: list[tuple[int, float]] = field(default_factory=list)

    def mark(self, tokens: int) -> None:
        self.points.append((tokens, time.perf_counter() - self.started))


@dataclass
class Workspace:
    """One user's document and everything done with it."""

    session: DocumentSession
    reading: ReadingTime = field(default_factory=ReadingTime)
    tips: list[Span] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    turns: list[AskedTurn] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.similar = SimilarFinder(self.session.document.text)

    @property
    def edits(self) -> tuple[Span, ...]:
        """The characters that are erased now."""
        return tuple(span.characters for span in self.session.spans)
