"""Nothing is erased."""

from collections.abc import Sequence

from kveraser_core.documents.spans import Span
from kveraser_core.methods.base import ErasedCache, EraseMethod
from kveraser_core.sessions.context import Context


class NoErase(EraseMethod):
    """The original cache, to compare with."""

    name = "none"
    summary = "Nothing is erased: the answer as it was."

    def erase(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        return ErasedCache(context.cache)
