"""What the page keeps for one document: the session, what was asked, and what was compared."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from app.turns import Turns
from kveraser_core.documents.similar.evidence import Evidence, EvidenceFinder
from kveraser_core.documents.similar.finder import SimilarFinder
from kveraser_core.documents.spans import Span
from kveraser_core.model.prompts import Role
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.edited_spans import EditedSpan
from kveraser_core.sessions.report import ErasureReport
from kveraser_core.sessions.session import DocumentSession

TURNS, COMPARISONS = 200, 50
"""How many questions and comparisons are kept, the newest."""


@dataclass(eq=False)
class AskedTurn:
    """A question, what was edited when it was asked, and its answer, which may still be coming.

    `named` is whether the method was chosen; else it is the one that is used where none is. `place` is the question's
    place in the line and how many wait, while it waits. An answer that was cut off has no `answer`, and `stopped` is
    the key of the text that says why. What is `remembered` is a part of the context. `evidence` is looked for once
    the answer is there. A `brief` answer is one sentence. `earlier` is the answer that the question got before it was
    asked again.
    """

    question: str
    method: str
    edits: tuple[EditedSpan, ...] = ()
    text: str = ""
    answer: Answer | None = None
    evidence: Evidence | None = None
    stopped: str = ""
    place: tuple[int, int] | None = None
    named: bool = True
    remembered: bool = False
    brief: bool = True
    earlier: str = ""


@dataclass
class Comparison:
    """One question answered by several erase methods."""

    question: str
    edits: tuple[EditedSpan, ...] = ()
    answers: list[Answer] = field(default_factory=list)

    def measured(self, answer: Answer) -> None:
        """Take `answer` in the place of the one by its method, which was not measured against full recompute yet."""
        self.answers = [answer if answer.method == one.method else one for one in self.answers]


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

    def of_last(self, tokens: int) -> float:
        """The seconds that the last so many tokens of the document took."""
        done, seconds = zip((0, 0.0), *self.points, strict=True)
        return float(seconds[-1] - np.interp(done[-1] - tokens, done, seconds))

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
        self._look_anew()

    @property
    def edits(self) -> tuple[EditedSpan, ...]:
        """What is erased or replaced now."""
        return tuple(self.session.spans)

    @property
    def edited(self) -> list[Span]:
        """The characters that are erased or replaced now."""
        return [edit.characters for edit in self.session.spans]

    def append(
        self,
        text: str,
        role: Role,
        name: str,
        progress: Callable[[int, int], object] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prefill `text` after what is there. Raises as `DocumentSession.append`."""
        self.session.append(text, role, name, progress, cancelled)
        self._look_anew()

    def find_evidence(self, turn: AskedTurn) -> Evidence:
        """The passages that the answer of `turn` may rest on, and its words that stand nowhere in the document."""
        if turn.evidence is None:
            edited = [edit.characters for edit in turn.edits]
            turn.evidence = self.evidence.find(turn.question, turn.text, edited)
        return turn.evidence

    def _look_anew(self) -> None:
        self.similar = SimilarFinder(self.session.document.text)
        self.evidence = EvidenceFinder(self.session.document.text)

    @property
    def exact_soon(self) -> bool:
        """Whether edits are recomputed in the background."""
        return self.session.exact_soon

    @exact_soon.setter
    def exact_soon(self, soon: bool) -> None:
        self.session.exact_soon = soon

    def stop(self) -> None:
        """Stop every answer and comparison that is under way."""
        for stop in (*self.asking, *self.comparing):
            stop.set()
