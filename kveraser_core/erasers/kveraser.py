"""KVEraser: write learned steering states over the span's slots (arXiv 2606.17034)."""

from collections.abc import Sequence

from kveraser_core.context import Context
from kveraser_core.erasers.base import ErasedCache, EraseMethod
from kveraser_core.generation import prefill
from kveraser_core.kv_cache import Slots
from kveraser_core.spans import Span


class KVEraser(EraseMethod):
    """The eraser run over each span behind its prefix, its states written over the span's slots.

    Spans go left to right, each seeing the steering states of those before it. Prefix and suffix slots
    are not touched; the originals of the span's slots are set aside and written back on release.
    """

    name = "kveraser"
    summary = "Learned steering states overwrite the passage's states; nothing else is touched."

    def erase(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        cache, aside = context.cache, list[Slots]()

        def restore() -> None:
            for original in aside:
                cache.write(original)

        try:
            with context.backbone.erasing(context.backbone.eraser):
                for span in spans:
                    aside.append(cache.slots(span.start, span.end))
                    with cache.overwriting(span.start, span.end):
                        prefill(context.backbone, context.ids[span.start : span.end], cache)
        except BaseException:
            restore()
            raise
        return ErasedCache(cache, sum(original.nbytes for original in aside), restore)
