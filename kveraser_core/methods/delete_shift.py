"""Drop the span's slots and close the gap."""

from collections.abc import Sequence

from kveraser_core.documents.spans import Span
from kveraser_core.methods.base import ErasedCache, EraseMethod, close_gaps
from kveraser_core.sessions.context import Context


class DeleteShift(EraseMethod):
    """The span's slots dropped, the suffix's keys rotated back by the span's length."""

    name = "delete_shift"
    summary = "The passage's states are dropped and what follows is moved up to close the gap."

    def erase(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        cache = close_gaps(context, spans, recompute=0)
        return ErasedCache(cache, cache.used_bytes)
