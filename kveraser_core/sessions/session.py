"""One document, its edits and its questions: what the page and the command line talk to.

A session owns a context and the spans that are erased from it. An erase method edits the context's cache when a
passage is erased; a question is answered from it and leaves nothing in it. Calls on one session wait for one another,
whichever thread they come from.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span, TokenMap
from kveraser_core.methods import REFERENCE, get_method, usable
from kveraser_core.methods.edits import Edit, edited_ids
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Generated, Sampling, generate
from kveraser_core.model.prompts import Role, Turn
from kveraser_core.sessions.active_edit import ActiveEdit
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.comparison import compared
from kveraser_core.sessions.context import Context, read_context
from kveraser_core.sessions.edited_context import EditedContext
from kveraser_core.sessions.edited_spans import EditedSpan, Edits, SlotMap
from kveraser_core.sessions.exactness import check_exact
from kveraser_core.sessions.probes import ANSWER
from kveraser_core.sessions.questions import fitted, tokens_of
from kveraser_core.sessions.report import ErasureReport
from kveraser_core.sessions.report_measure import Progress, Reporter, ignored
from kveraser_core.sessions.segments import ContextSegment, check_room
from kveraser_core.sessions.window import check_fits, check_growth


class DocumentSession(EditedContext):
    """A document that has been read, with passages erased from it."""

    def __init__(self, context: Context, document: Document, token_map: TokenMap, exact_soon: bool = True) -> None:
        super().__init__(context, exact_soon)
        self._map = SlotMap.of(context, document, token_map)

    @classmethod
    def load(
        cls,
        backbone: Backbone,
        document: Document,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        exact_soon: bool = True,
    ) -> "DocumentSession":
        """Read `document`. Raises `DocumentTooLong` and `Cancelled`; `progress(done, total)` in tokens.

        With `exact_soon` each change is recomputed in the background, in a second cache of the same size.
        """
        document_ids, token_map = backbone.tokenize(document.text)
        check_fits(backbone, document, token_map)
        return cls(read_context(backbone, document_ids, progress, cancelled), document, token_map, exact_soon)

    @property
    def document(self) -> Document:
        """The document, with the text of what was appended at its end: spans are in its characters."""
        return self._map.document

    @property
    def segments(self) -> tuple[ContextSegment, ...]:
        """The parts of `document`: what was loaded, and what was appended, in order."""
        return self._map.segments

    def append(
        self,
        text: str,
        role: Role = "document",
        name: str = "",
        progress: Callable[[int, int], object] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> ContextSegment:
        """Prefill `text` after what is there, as a segment that can be erased like anything else.

        Raises `NoRoomToAppend` and `Cancelled`; nothing is appended then. `progress` as in `load`.
        """
        with self._lock.held():
            ids, token_map = self.backbone.tokenize(text)
            between = self._context.prompt.before(role, self.segments[-1].role)
            check_room(name or role, len(ids), self._room - len(between))
            self._release()
            self._context.append([*between, *ids], progress, cancelled)
            self._map = self._map.with_segment(name or role, role, text, len(between), token_map)
            self._exact.want(self._history.edits)
            return self.segments[-1]

    @property
    def spans(self) -> list[EditedSpan]:
        """What is erased or replaced, in the order of the document."""
        return [self._map.shown(edit) for edit in self._history.edits]

    @property
    def kept_ids(self) -> list[int]:
        """The token ids of what the model has read, as it is after the edits."""
        return edited_ids(self._context.ids, self._history.edits)

    def question_ids(self, question: str, history: Sequence[Turn] = ()) -> list[int]:
        """The token ids of `question`, after earlier turns, as `ask` puts it after the document.

        Raises `QuestionError`.
        """
        return tokens_of(question, history, self._context.prompt, self.segments[-1].role, self._room)

    @contextmanager
    def cache(self, method: str | None = None) -> Iterator[EditableCache]:
        """The cache of what is not erased, for a model's own `generate`: it goes on from `cache.ids`.

        Inside the block no other call changes the session, after it the cache raises `CacheClosed`, and what was
        appended is gone. The model's attention must be ours, or it raises `UnreadableKeys`. Raises `NoCache`
        for a method that leaves erased text or a gap, and what the method raises.
        """
        with self._lock.held():
            active = self._apply(method or self.method_now, self._history.edits)
            active.check_closed()
            with active.edited.cache.lent(self.kept_ids) as lent, self._lock.resting():
                yield lent

    @property
    def suffix_tokens(self) -> int:
        """How many tokens of the context come after the first edited passage; 0 with nothing edited."""
        return len(self._context.ids) - self._history.edits[0].span.end if self._history.edits else 0

    def round_out(self, spans: Iterable[Span]) -> list[EditedSpan]:
        """What erasing these character spans would erase; nothing is done. Raises `SpanError`."""
        return [self._map.shown(Edit(slots)) for slots in self._map.slots(spans)]

    def erase(self, spans: Iterable[Span], method: str | None = None) -> float:
        """Erase character spans, besides what is erased already, and return the seconds it took.

        Raises `SpanError`, or what the method raises; nothing is erased then.
        """
        return self.replace(spans, "", method)

    def replace(self, spans: Iterable[Span], text: str, method: str | None = None) -> float:
        """Put `text` in the place of each character span, and return the seconds it took; no text is to erase.

        Raises `SpanError`, `TooMuchText`, or what the method raises; nothing is changed then.
        """
        with self._lock.held():
            return self._change(self._map.edited(self._history.edits, spans, text), method)

    def mark(self, spans: Iterable[Span], text: str = "") -> None:
        """`erase` or `replace` character spans at the next question, by the method that it names. Raises as they."""
        with self._lock.held():
            marked = self._map.edited(self._history.edits, spans, text)
            if marked != self._history.edits:
                self._release()
                self._history.change(marked)

    def undo(self) -> bool:
        """Take the last change back; false when there is none. Raises `TooMuchText` where the context has grown."""
        with self._lock.held():
            if can := self._history.can_undo:
                check_growth(self._history.previous, self._context.headroom)
                self._release()
                self._history.undo()
            return can

    def redo(self) -> bool:
        """Do again what `undo` took back last; false when there is nothing. Raises as `undo`."""
        with self._lock.held():
            if can := self._history.can_redo:
                check_growth(self._history.following, self._context.headroom)
                self._release()
                self._history.redo()
            return can

    def restore(self, span: Span) -> None:
        """Bring back the edited passages that touch the character span. Raises `SpanError`."""
        with self._lock.held():
            touched = self._map.slots([span])
            edits = self._history.edits
            self._change(tuple(edit for edit in edits if not any(map(edit.span.touches, touched))))

    def restore_all(self) -> None:
        """Bring back everything."""
        with self._lock.held():
            self._change(())

    def ask(
        self,
        question: str,
        method: str | None = None,
        history: Sequence[Turn] = (),
        sampling: Sampling | None = None,
        exact: bool = False,
    ) -> Answer:
        """The answer to `question` from what is not erased. See `stream`."""
        *_, answer = self.stream(question, method, history, sampling, exact)
        assert isinstance(answer, Answer)
        return answer

    def stream(
        self,
        question: str,
        method: str | None = None,
        history: Sequence[Turn] = (),
        sampling: Sampling | None = None,
        exact: bool = False,
    ) -> Iterator[str | Answer]:
        """Answer `question`: pieces of text as they come, then the whole `Answer`.

        Where no method is named, it is full recompute once that was done in the background, the default one before;
        `exact` waits for it. `history` holds the earlier turns that the question follows. What is marked but not
        erased yet is erased in the pass that reads the question, where the method can. The session is held until the
        iterator ends or is closed. Raises `QuestionError` and what the method raises.
        """
        check_exact(method, exact)
        with self._lock.held():
            name = REFERENCE if exact else method or self.method_now
            prompt_ids = self.question_ids(question, history)
            active = self._apply(name, self._history.edits, asking=True)
            edited, step = active.edited, active.edited.pending
            try:
                fitting = fitted(sampling, edited.cache, len(prompt_ids))
                for piece in generate(self.backbone, edited.cache, prompt_ids, fitting, step):
                    edited.pending = ()
                    if isinstance(piece, Generated):
                        answer = active.answer(question, piece, bool(step))
                    else:
                        with self._lock.resting():
                            yield piece
            finally:
                if edited.pending:
                    self._release()
        yield answer

    def compare(
        self,
        question: str,
        methods: Sequence[str] | None = None,
        history: Sequence[Turn] = (),
        sampling: Sampling | None = None,
    ) -> list[Answer]:
        """Answer `question` with several methods, by default all that can be used, each from the original cache.

        `full_recompute`, where it is among them, comes last, and the others are measured against it. A method that
        cannot be used gives an `Answer` with its `error`.
        """
        return list({one.method: one for one in self.stream_compared(question, methods, history, sampling)}.values())

    def stream_compared(
        self,
        question: str,
        methods: Sequence[str] | None = None,
        history: Sequence[Turn] = (),
        sampling: Sampling | None = None,
    ) -> Iterator[Answer]:
        """`compare`, each answer as soon as it is there; the others come again, measured, after `full_recompute`.

        The session is held until the iterator ends or is closed.
        """
        names = methods or usable(self.backbone)
        for name in names:
            get_method(name)
        with self._lock.held():
            prompt_ids = self.question_ids(question, history)

            def applied(name: str) -> ActiveEdit:
                self._release()
                return self._apply(name, self._history.edits)

            try:
                for answer in compared(self.backbone, names, applied, question, prompt_ids, sampling):
                    with self._lock.resting():
                        yield answer
            finally:
                self._release()

    def report(
        self, questions: Sequence[str] = (), method: str | None = None, command: str = "", told: Progress = ignored
    ) -> ErasureReport:
        """What is left of what is edited, by `method_now` if none is named; `command` repeats it.

        Raises `QuestionError`, and as `Reporter.report`.
        """
        with self._lock.held():
            room, last = self._room - ANSWER, self.segments[-1].role
            asked = {one: tokens_of(one, (), self._context.prompt, last, room) for one in questions}
            method = method or self.method_now
            self._release()
            reporter = Reporter(self._map, self._history.edits, method, asked, told)
            return reporter.report(command)

    @property
    def _room(self) -> int:
        """Slots that are free after the context and what takes the place of edited passages."""
        return self._context.headroom - sum(edit.growth for edit in self._history.edits)

    def _change(self, edits: Edits, method: str | None = None) -> float:
        if method:
            get_method(method)
        if edits == self._history.edits and not method:
            return 0.0
        seconds = self._apply(method or self.default_method, edits).seconds if edits else self._release()
        self._history.change(edits)
        return seconds
