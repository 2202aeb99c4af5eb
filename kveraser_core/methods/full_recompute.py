"""The exact answer: read everything behind the span again."""

from collections.abc import Sequence

from kveraser_core.documents.spans import Span
from kveraser_core.methods.base import ErasedCache, EraseMethod, close_gaps
from kveraser_core.sessions.context import Context


class FullRecompute(EraseMethod):
    """The prefix kept, all that follows the first span prefilled again without the spans."""

    name = "full_recompute"
    summary = "Everything behind the passage is read again without it: exact, and slow."

    def erase(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        cache = close_gaps(context, spans, recompute=len(context.ids))
        return ErasedCache(cache, cache.used_bytes)
