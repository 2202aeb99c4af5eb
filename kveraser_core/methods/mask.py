"""Drop the span's slots and leave the gap."""

from collections.abc import Sequence

from kveraser_core.documents.spans import Span
from kveraser_core.methods.base import ErasedCache, EraseMethod, kept, second_buffer
from kveraser_core.sessions.context import Context


class Mask(EraseMethod):
    """The span's slots dropped, the suffix kept at its old positions."""

    name = "mask"
    summary = "The passage's states are dropped; what follows keeps its place and what it saw."

    def erase(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        pieces = kept(context, spans)
        cache = second_buffer(context, sum(map(len, pieces)))
        for piece in pieces:
            cache.append(context.cache, piece.start, piece.end)
        cache.next_position = len(context.ids)
        return ErasedCache(cache, cache.used_bytes)
