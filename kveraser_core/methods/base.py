"""The interface of every erase method, and the buffer that most of them build."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.view import Rewrite
from kveraser_core.documents.spans import Span
from kveraser_core.model.generation import prefill
from kveraser_core.sessions.context import Context


@dataclass
class ErasedCache:
    """A context's cache after an erase method.

    `extra_bytes` is what it holds besides the context's cache. `release` gives that back and leaves the
    context's cache as it was before the method, bit for bit; the erased cache is not to be used after it. A pass
    that is `left` is still to be done before or with the first question.
    """

    cache: EditableCache
    extra_bytes: int = 0
    release: Callable[[], None] = lambda: None
    left: Sequence[Rewrite] = ()


class EraseMethod(ABC):
    """One way to produce an erased cache."""

    name: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def erase(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        """Erase `spans`, sorted slots of the context that neither overlap nor touch.

        It does not see any question. Raises a `KVEraserError` where it cannot be done and leaves the
        context's cache as it was then.
        """

    def begin(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        """`erase` for a question that is at hand: a last pass may be left to go with the question's own."""
        return self.erase(context, spans)


def kept(context: Context, spans: Sequence[Span]) -> list[Span]:
    """The slots before, between and behind `spans`; the last may be empty."""
    starts = [0, *(span.end for span in spans)]
    ends = [*(span.start for span in spans), len(context.ids)]
    return [Span(start, end) for start, end in zip(starts, ends, strict=True)]


def second_buffer(context: Context, slots: int) -> EditableCache:
    """An empty cache for `slots` tokens and as many more as the context has headroom for."""
    return context.cache.another(slots + context.headroom)


def close_gaps(context: Context, spans: Sequence[Span], recompute: int) -> EditableCache:
    """A second buffer without `spans`, its positions without gaps.

    Behind each span the first `recompute` tokens are prefilled again, without the span; later keys are
    rotated back to their new positions.
    """
    pieces = kept(context, spans)
    cache = second_buffer(context, sum(map(len, pieces)))
    cache.append(context.cache, 0, pieces[0].end)
    for piece in pieces[1:]:
        fresh = min(recompute, len(piece))
        prefill(context.backbone, context.ids[piece.start : piece.start + fresh], cache)
        rest = piece.start + fresh
        cache.append(context.cache, rest, piece.end, shift=cache.next_position - rest)
    return cache
