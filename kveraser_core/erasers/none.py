"""Nothing is erased."""

from collections.abc import Sequence

from kveraser_core.context import Context
from kveraser_core.erasers.base import ErasedCache, EraseMethod
from kveraser_core.spans import Span


class NoErase(EraseMethod):
    """The original cache, to compare with."""

    name = "none"
    summary = "Nothing is erased: the answer as it was."

    def erase(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        return ErasedCache(context.cache)
