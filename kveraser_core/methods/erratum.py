"""Leave everything in place and tell the model to disregard the span."""

from collections.abc import Sequence

from kveraser_core.documents.spans import Span
from kveraser_core.methods.base import ErasedCache, EraseMethod
from kveraser_core.model.generation import prefill
from kveraser_core.sessions.context import Context

_QUOTED_WORDS = 40


class Erratum(EraseMethod):
    """Nothing removed; one line of correction a span appended after the context."""

    name = "erratum"
    summary = "Nothing is removed: a line behind the document tells the model to disregard the passage."

    def erase(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        cache, length = context.cache, len(context.ids)
        lines = "".join(f'\n\nCorrection: disregard the passage "{_quote(context, span)}"' for span in spans)
        before = cache.used_bytes
        try:
            prefill(context.backbone, context.backbone.tokenize(lines)[0], cache)
        except BaseException:
            cache.truncate(length)
            raise
        return ErasedCache(cache, cache.used_bytes - before, lambda: cache.truncate(length))


def _quote(context: Context, span: Span) -> str:
    """The passage on one line; of a long one its beginning and its end."""
    words = context.backbone.text_of(context.ids[span.start : span.end]).split()
    if len(words) > _QUOTED_WORDS:
        words = [*words[: _QUOTED_WORDS // 2], "...", *words[-_QUOTED_WORDS // 2 :]]
    return " ".join(words)
