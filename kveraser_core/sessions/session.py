"""One document, its edits and its questions: what the page and the command line talk to.

A session owns a context and the list of what is erased from it. The erase method in force writes its
cache when a passage is erased; a question is answered from it and leaves nothing behind. Calls on one
session wait for one another, whichever thread they come from.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor

from kveraser_core.cache.editable_cache import EditableCache, synchronize
from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span, TokenMap, check_span, merge_spans
from kveraser_core.errors import KVEraserError
from kveraser_core.methods import METHODS, get_method, make_plan, usable
from kveraser_core.methods.apply import EditedCache, apply
from kveraser_core.methods.plan import kept_ids
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Generated, Sampling, agreement, answer_logits, generate
from kveraser_core.model.prompts import Turn
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.context import Context, read_context
from kveraser_core.sessions.lock import SessionLock
from kveraser_core.sessions.window import check_fits

REFERENCE = "full_recompute"
DEFAULTS = ("kveraser_repair", "kveraser", "local_repair")
"""The methods that are used where none is named: the first that there is an eraser for."""
HISTORY = 100
"""How many changes can be taken back."""


class NoCache(KVEraserError):
    """A method whose cache does not stand for the tokens that are not erased."""


class QuestionError(KVEraserError):
    """A question that is empty or does not fit behind the document."""


@dataclass(frozen=True)
class ErasedSpan:
    """A passage that is erased: its characters, rounded out to whole tokens, and how many tokens."""

    characters: Span
    text: str
    tokens: int


@dataclass(frozen=True)
class _ActiveEdit:
    """The edit in force: what was asked for and the cache it gave.

    It took `seconds`, without a step that is `fused` with a question's prefill.
    """

    method: str
    slots: tuple[Span, ...]
    edited: EditedCache
    seconds: float
    fused: bool


class DocumentSession:
    """A document that has been read, with passages erased from it."""

    def __init__(self, context: Context, document: Document, token_map: TokenMap) -> None:
        self._context = context
        self.backbone = context.backbone
        self.document = document
        self._token_map = token_map
        self._lock = SessionLock()
        self._spans: tuple[Span, ...] = ()
        self._before: deque[tuple[Span, ...]] = deque(maxlen=HISTORY)
        self._after: deque[tuple[Span, ...]] = deque(maxlen=HISTORY)
        self._active: _ActiveEdit | None = None

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
        """The best of the methods that the backbone has the eraser for."""
        names = usable(self.backbone)
        return next(name for name in DEFAULTS if name in names)

    @property
    def spans(self) -> list[ErasedSpan]:
        """What is erased, in the order of the document."""
        return [self._erased_span(slots) for slots in self._spans]

    @property
    def kept_ids(self) -> list[int]:
        """The token ids of what the model has read, without what is erased."""
        return kept_ids(self._context.ids, self._spans)

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
        """Bytes that the session's caches take, with the room that they keep for questions and answers."""
        caches = {self._context.cache}
        if active := self._active:
            caches.add(active.edited.cache)
        return sum(cache.memory_bytes for cache in caches)

    def question_ids(self, question: str, history: Sequence[Turn] = ()) -> list[int]:
        """The token ids of `question`, after earlier turns, as `ask` puts it after the document.

        Raises `QuestionError`.
        """
        if not question.strip():
            raise QuestionError("The question is empty: type what you want to know.")
        ids = self._context.prompt.question_ids(question.strip(), history)
        room = self._context.headroom
        if len(ids) >= room:
            raise QuestionError(
                f"The question with its earlier turns has {len(ids):,} tokens and there is room for "
                f"{room - 1:,}: ask a shorter one or leave the earlier turns out."
            )
        return ids

    @contextmanager
    def cache(self, method: str | None = None) -> Iterator[EditableCache]:
        """The cache of what is not erased, for a model's own `generate`: it goes on from `cache.ids`.

        Inside the block no other call changes the session, after it the cache raises `CacheClosed`, and what was
        appended is gone. The model's attention must be ours, or it raises `UnreadableKeys`. Raises `NoCache`
        for a method that leaves erased text or a gap, and what the method raises.
        """
        name = method or self.default_method
        with self._lock.held():
            cache, ids = self._apply(name, self._spans).edited.cache, self.kept_ids
            if cache.next_position != len(ids):
                raise NoCache(
                    f"{name} leaves no cache of just what is not erased: name a method that erases and closes the "
                    "gap, such as local_repair."
                )
            with cache.lent(ids) as lent, self._lock.resting():
                yield lent

    @property
    def tokens_behind(self) -> int:
        """How many tokens of the context stand behind the first erased passage; 0 with nothing erased."""
        return len(self._context.ids) - self._spans[0].end if self._spans else 0

    def round_out(self, spans: Iterable[Span]) -> list[ErasedSpan]:
        """What erasing these character spans would erase; nothing is done. Raises `SpanError`."""
        return [self._erased_span(slots) for slots in self._slots(spans)]

    def erase(self, spans: Iterable[Span], method: str | None = None) -> float:
        """Erase character spans, besides what is erased already, and return the seconds it took.

        Raises `SpanError`, or what the method raises; nothing is erased then.
        """
        with self._lock.held():
            added = self._slots(spans)
            return self._change(tuple(merge_spans([*self._spans, *added])), method)

    def mark(self, spans: Iterable[Span]) -> None:
        """Erase character spans at the next question, by the method that it names. Raises `SpanError`."""
        with self._lock.held():
            marked = tuple(merge_spans([*self._spans, *self._slots(spans)]))
            if marked != self._spans:
                self._release()
                self._remember()
                self._spans = marked

    def undo(self) -> bool:
        """Take the last change back; false when there is none."""
        with self._lock.held():
            return self._step(self._before, self._after)

    def redo(self) -> bool:
        """Do again what `undo` took back last; false when there is nothing."""
        with self._lock.held():
            return self._step(self._after, self._before)

    @property
    def can_undo(self) -> bool:
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        return bool(self._after)

    def restore(self, span: Span) -> None:
        """Bring back the erased passages that touch the character span. Raises `SpanError`."""
        with self._lock.held():
            (slots,) = self._slots([span])
            self._change(tuple(span for span in self._spans if span.end <= slots.start or span.start >= slots.end))

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
            active = self._apply(name, self._spans, asking=True)
            edited, step = active.edited, active.edited.pending
            try:
                fitting = self._fit(sampling, prompt_ids)
                for piece in generate(self.backbone, edited.cache, prompt_ids, fitting, step):
                    edited.pending = ()
                    if isinstance(piece, Generated):
                        answer = _answer(question, active, piece, bool(step))
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
        """Answer `question` with several methods, one after the other, each from the original cache.

        `full_recompute`, where it is among them, comes first and the others are measured against it. A
        method that cannot be used gives an `Answer` with its `error`.
        """
        names = sorted(methods or METHODS, key=lambda name: name != REFERENCE)
        for name in names:
            get_method(name)
        with self._lock.held():
            prompt_ids = self.question_ids(question, history)
            reference: tuple[list[int], Tensor] | None = None
            try:
                for name in names:
                    self._release()
                    try:
                        active = self._apply(name, self._spans)
                    except KVEraserError as error:
                        with self._lock.resting():
                            yield Answer(name, question, error=error)
                        continue
                    cache = active.edited.cache
                    *_, generated = generate(self.backbone, cache, prompt_ids, self._fit(sampling, prompt_ids))
                    assert isinstance(generated, Generated)
                    scores: tuple[float | None, float | None] = (None, None)
                    if name == REFERENCE:
                        ids = generated.token_ids
                        reference = ids, answer_logits(self.backbone, cache, prompt_ids, ids)
                    if reference:
                        ids, expected = reference
                        scores = agreement(expected, answer_logits(self.backbone, cache, prompt_ids, ids))
                    answer = _answer(question, active, generated, False, *scores)
                    with self._lock.resting():
                        yield answer
            finally:
                self._release()

    def _fit(self, sampling: Sampling | None, prompt_ids: Sequence[int]) -> Sampling:
        """`sampling` with no more answer tokens than there is room for."""
        wanted = sampling or Sampling()
        used = self._active.edited.cache.length if self._active else len(self._context.ids)
        capacity = self._active.edited.cache.capacity if self._active else self._context.cache.capacity
        room = capacity - used - len(prompt_ids) + 1
        if room < 1:
            raise QuestionError("There is no room left for an answer: ask a shorter question.")
        return Sampling(wanted.temperature, wanted.top_p, min(wanted.max_tokens, room), wanted.stop, wanted.seed)

    def _slots(self, spans: Iterable[Span]) -> list[Span]:
        wanted = list(spans)
        for span in wanted:
            check_span(span, self.document.text)
        start = self._context.document_start
        return merge_spans(self._token_map.to_tokens(span).shifted(start) for span in wanted)

    def _erased_span(self, slots: Span) -> ErasedSpan:
        characters = self._token_map.to_characters(slots.shifted(-self._context.document_start))
        return ErasedSpan(characters, self.document.text[characters.start : characters.end], len(slots))

    def _change(self, spans: tuple[Span, ...], method: str | None = None) -> float:
        if method:
            get_method(method)
        if spans == self._spans and not method:
            return 0.0
        seconds = self._apply(method or self.default_method, spans).seconds if spans else self._release()
        if spans != self._spans:
            self._remember()
        self._spans = spans
        return seconds

    def _remember(self) -> None:
        self._before.append(self._spans)
        self._after.clear()

    def _step(self, source: deque[tuple[Span, ...]], other: deque[tuple[Span, ...]]) -> bool:
        if not source:
            return False
        self._release()
        other.append(self._spans)
        self._spans = source.pop()
        return True

    def _apply(self, method: str, spans: tuple[Span, ...], asking: bool = False) -> _ActiveEdit:
        """The edit by `method`, made unless it is in force already; a step may be left pending if `asking`."""
        active = self._active
        if active and (active.method, active.slots) == (method, spans):
            return active
        named, context = get_method(method), self._context
        self._release()
        started = time.perf_counter()
        edited = apply(
            make_plan(named, context.ids, spans, self.backbone), context.cache, self.backbone, defer=asking
        )
        synchronize(self.backbone.device)
        seconds = time.perf_counter() - started
        self._active = _ActiveEdit(method, spans, edited, seconds, fused=bool(edited.pending))
        return self._active

    def _release(self) -> float:
        if self._active:
            self._active.edited.release()
            self._active = None
        return 0.0


def _answer(
    question: str,
    active: _ActiveEdit,
    generated: Generated,
    fused: bool = False,
    agreed: float | None = None,
    kl: float | None = None,
) -> Answer:
    """What was answered from the active edit; its last step went through the model with the question if `fused`."""
    return Answer(
        method=active.method,
        ran=active.edited.method,
        question=question,
        text=generated.text.strip(),
        token_ids=tuple(generated.token_ids),
        finished=generated.finished,
        erase_s=None if active.fused else active.seconds,
        question_prefill_s=generated.question_prefill_s + (active.seconds if fused else 0),
        first_token_s=generated.first_token_s,
        decode_s=generated.decode_s,
        decode_tokens_per_s=generated.decode_tokens_per_s,
        extra_bytes=active.edited.extra_bytes,
        agreement=agreed,
        kl=kl,
    )
