"""Close the gap and recompute the first tokens behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

from kveraser_core.documents.spans import Span
from kveraser_core.methods.base import ErasedCache, EraseMethod, close_gaps
from kveraser_core.sessions.context import Context


@dataclass(frozen=True)
class LocalRepair(EraseMethod):
    """`delete_shift`, and the first `k` suffix tokens recomputed without the span."""

    name = "local_repair"
    summary = "The gap is closed and the first 32 tokens behind it are read again."

    k: int = 32

    def erase(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        cache = close_gaps(context, spans, recompute=self.k)
        return ErasedCache(cache, cache.used_bytes)
