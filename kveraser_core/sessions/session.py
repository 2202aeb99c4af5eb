"""One document, its edits and its questions: what the page and the command line talk to.

A session owns a context and the spans that are erased from it. An erase method edits the context's cache when a
passage is erased; a question is answered from it and leaves nothing in it. Calls on one session wait for one another,
whichever thread they come from.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from kveraser_core.cache.editable_cache import EditableCache, synchronize
from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span, TokenMap, merge_spans
from kveraser_core.errors import KVEraserError
from kveraser_core.methods import REFERENCE, default_method, get_method, make_plan, usable
from kveraser_core.methods.apply import apply
from kveraser_core.methods.plan import kept_ids
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Generated, Sampling, generate
from kveraser_core.model.prompts import Turn
from kveraser_core.sessions.active_edit import ActiveEdit
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.context import Context, read_context
from kveraser_core.sessions.erased_spans import ErasedSpan, SlotMap
from kveraser_core.sessions.history import History, Spans
from kveraser_core.sessions.lock import SessionLock
from kveraser_core.sessions.questions import QuestionError, tokens_of
from kveraser_core.sessions.scores import Scorer
from kveraser_core.sessions.window import check_fits


class NoCache(KVEraserError):
    """A method whose cache does not stand for the tokens that are not erased."""


class DocumentSession:
    """A document that has been read, with passages erased from it."""

    def __init__(self, context: Context, document: Document, token_map: TokenMap) -> None:
        self._context = context
        self.backbone = context.backbone
        self.document = document
        self._map = SlotMap(document, token_map, context.document_start)
        self._lock = SessionLock()
        self._history = History()
        self._active: ActiveEdit | None = None

    @classmethod
    def load(
        cls,
        backbone: Backbone,
        document: Document,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> "DocumentSession":
        """Read `document`. Raises `DocumentTooLong` and `Cancelled`; `progress(done, total)` in tokens."""
        document_ids, token_map = backbone.tokenize(document.text)
        check_fits(backbone, document, token_map)
        return cls(read_context(backbone, document_ids, progress, cancelled), document, token_map)

    @property
    def default_method(self) -> str:
        """The method that is used where none is named."""
        return default_method(self.backbone)

    @property
    def spans(self) -> list[ErasedSpan]:
        """What is erased, in the order of the document."""
        return [self._map.erased(slots) for slots in self._history.spans]

    @property
    def kept_ids(self) -> list[int]:
        """The token ids of what the model has read, without what is erased."""
        return kept_ids(self._context.ids, self._history.spans)

    @property
    def tokens(self) -> int:
        """How many tokens the model has read: the prompt's opening and the document, erased passages included."""
        return len(self._context.ids)

    @property
    def used_bytes(self) -> int:
        """Bytes of the states of `tokens`."""
        return self._context.cache.used_bytes

    @property
    def memory_bytes(self) -> int:
        """Bytes that the session's cache takes, with the room that it keeps for questions and answers."""
        return self._context.cache.memory_bytes

    def question_ids(self, question: str, history: Sequence[Turn] = ()) -> list[int]:
        """The token ids of `question`, after earlier turns, as `ask` puts it after the document.

        Raises `QuestionError`.
        """
        return tokens_of(question, history, self._context.prompt, self._context.headroom)

    @contextmanager
    def cache(self, method: str | None = None) -> Iterator[EditableCache]:
        """The cache of what is not erased, for a model's own `generate`: it goes on from `cache.ids`.

        Inside the block no other call changes the session, after it the cache raises `CacheClosed`, and what was
        appended is gone. The model's attention must be ours, or it raises `UnreadableKeys`. Raises `NoCache`
        for a method that leaves erased text or a gap, and what the method raises.
        """
        name = method or self.default_method
        with self._lock.held():
            self._apply(name, self._history.spans)
            cache, ids = self._context.cache, self.kept_ids
            if cache.next_position != len(ids):
                raise NoCache(
                    f"{name} leaves no cache of just what is not erased: name a method that erases and closes the "
                    "gap, such as local_repair."
                )
            with cache.lent(ids) as lent, self._lock.resting():
                yield lent

    @property
    def suffix_tokens(self) -> int:
        """How many tokens of the context come after the first erased passage; 0 with nothing erased."""
        return len(self._context.ids) - self._history.spans[0].end if self._history.spans else 0

    def round_out(self, spans: Iterable[Span]) -> list[ErasedSpan]:
        """What erasing these character spans would erase; nothing is done. Raises `SpanError`."""
        return [self._map.erased(slots) for slots in self._map.slots(spans)]

    def erase(self, spans: Iterable[Span], method: str | None = None) -> float:
        """Erase character spans, besides what is erased already, and return the seconds it took.

        Raises `SpanError`, or what the method raises; nothing is erased then.
        """
        with self._lock.held():
            added = self._map.slots(spans)
            return self._change(tuple(merge_spans([*self._history.spans, *added])), method)

    def mark(self, spans: Iterable[Span]) -> None:
        """Erase character spans at the next question, by the method that it names. Raises `SpanError`."""
        with self._lock.held():
            marked = tuple(merge_spans([*self._history.spans, *self._map.slots(spans)]))
            if marked != self._history.spans:
                self._release()
                self._history.change(marked)

    def undo(self) -> bool:
        """Take the last change back; false when there is none."""
        with self._lock.held():
            if can := self._history.can_undo:
                self._release()
                self._history.undo()
            return can

    def redo(self) -> bool:
        """Do again what `undo` took back last; false when there is nothing."""
        with self._lock.held():
            if can := self._history.can_redo:
                self._release()
                self._history.redo()
            return can

    @property
    def can_undo(self) -> bool:
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        return self._history.can_redo

    def restore(self, span: Span) -> None:
        """Bring back the erased passages that touch the character span. Raises `SpanError`."""
        with self._lock.held():
            (slots,) = self._map.slots([span])
            others = [span for span in self._history.spans if span.end <= slots.start or span.start >= slots.end]
            self._change(tuple(others))

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
    ) -> Answer:
        """The answer to `question` from what is not erased. See `stream`."""
        *_, answer = self.stream(question, method, history, sampling)
        assert isinstance(answer, Answer)
        return answer

    def stream(
        self,
        question: str,
        method: str | None = None,
        history: Sequence[Turn] = (),
        sampling: Sampling | None = None,
    ) -> Iterator[str | Answer]:
        """Answer `question`: pieces of text as they come, then the whole `Answer`.

        `history` holds the earlier turns that the question follows. What is marked but not erased yet is erased
        in the pass that reads the question, where the method can. The session is held until the iterator ends or
        is closed. Raises `QuestionError` and what the method raises.
        """
        with self._lock.held():
            name = method or self.default_method
            prompt_ids = self.question_ids(question, history)
            active = self._apply(name, self._history.spans, asking=True)
            edited, step = active.edited, active.edited.pending
            try:
                fitting = self._fit(sampling, prompt_ids)
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
    ) -> Iterator[Answer]:
        """Answer `question` with several methods, by default all that can be used, each from the original cache.

        `full_recompute`, where it is among them, comes first and the others are measured against it. A
        method that cannot be used gives an `Answer` with its `error`.
        """
        names = sorted(methods or usable(self.backbone), key=lambda name: name != REFERENCE)
        for name in names:
            get_method(name)
        with self._lock.held():
            prompt_ids = self.question_ids(question, history)
            scorer = Scorer(self.backbone, prompt_ids)
            try:
                for name in names:
                    self._release()
                    try:
                        active = self._apply(name, self._history.spans)
                    except KVEraserError as error:
                        with self._lock.resting():
                            yield Answer(name, question, error=error)
                        continue
                    cache = self._context.cache
                    *_, generated = generate(self.backbone, cache, prompt_ids, self._fit(sampling, prompt_ids))
                    assert isinstance(generated, Generated)
                    scores = scorer.score(name, cache, generated.token_ids)
                    answer = active.answer(question, generated, False, *scores)
                    with self._lock.resting():
                        yield answer
            finally:
                self._release()

    def _fit(self, sampling: Sampling | None, prompt_ids: Sequence[int]) -> Sampling:
        """`sampling` with no more answer tokens than there is room for."""
        wanted = sampling or Sampling()
        cache = self._context.cache
        room = cache.capacity - cache.length - len(prompt_ids) + 1
        if room < 1:
            raise QuestionError("There is no room left for an answer: ask a shorter question.")
        return replace(wanted, max_tokens=min(wanted.max_tokens, room))

    def _change(self, spans: Spans, method: str | None = None) -> float:
        if method:
            get_method(method)
        if spans == self._history.spans and not method:
            return 0.0
        seconds = self._apply(method or self.default_method, spans).seconds if spans else self._release()
        self._history.change(spans)
        return seconds

    def _apply(self, method: str, spans: Spans, asking: bool = False) -> ActiveEdit:
        """The edit by `method`, made unless it is in force already; a step may be left pending if `asking`."""
        active = self._active
        if active and (active.method, active.slots) == (method, spans):
            return active
        started = time.perf_counter()
        plan = make_plan(get_method(method), self._context.ids, spans, self.backbone)
        self._release()
        edited = apply(plan, self._context.cache, self.backbone, defer=asking)
        synchronize(self.backbone.device)
        seconds = time.perf_counter() - started
        self._active = ActiveEdit(method, spans, edited, seconds, fused=bool(edited.pending))
        return self._active

    def _release(self) -> float:
        if self._active:
            self._active.edited.release()
            self._active = None
        return 0.0
