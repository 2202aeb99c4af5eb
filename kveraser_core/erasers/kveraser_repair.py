"""KVEraser with a repaired seam: close the gap, recompute a few tokens, add the steering states."""

from collections.abc import Sequence
from dataclasses import dataclass

from kveraser_core.context import Context
from kveraser_core.erasers.base import ErasedCache, EraseMethod, close_gaps
from kveraser_core.generation import prefill
from kveraser_core.kv_cache import EditableCache, Slots
from kveraser_core.spans import Span


@dataclass(frozen=True)
class KVEraserRepair(EraseMethod):
    """`local_repair`, and the eraser's states for each span as a block of further slots.

    A block is encoded where the span stood and then moved back by its own length, so that it shares the
    positions of the last tokens before the seam. The recomputed tokens do not see it.
    """

    name = "kveraser_repair"
    summary = "The gap is closed, 32 tokens behind it are read again, and learned steering states are added."

    k: int = 32

    def erase(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        blocks: list[Slots] = []

        def steer(cache: EditableCache, span: Span) -> None:
            with context.backbone.erasing(context.backbone.repair_eraser), cache.appending():
                start = cache.length
                prefill(context.backbone, context.ids[span.start : span.end], cache)
                blocks.append(cache.slots(start, cache.length))

        cache = close_gaps(context, spans, self.k, steer, extra_slots=sum(map(len, spans)))
        position = cache.next_position
        for span, block in zip(spans, blocks, strict=True):
            cache.append(block, shift=-len(span))
        cache.next_position = position
        return ErasedCache(cache, cache.used_bytes)
