"""KVEraser with the stalest suffix tokens rewritten."""

from collections.abc import Sequence
from dataclasses import dataclass

from kveraser_core.context import Context
from kveraser_core.erasers.base import kept
from kveraser_core.erasers.kveraser import KVEraser, closed
from kveraser_core.erasers.staleness import stale_tokens
from kveraser_core.layout import Rewrite
from kveraser_core.spans import Span


@dataclass(frozen=True)
class KVEraserRepair(KVEraser):
    """At most `k` suffix tokens a span, those that took most from it, read again in place.

    An eraser with lookahead is on for them, and they are all that is written. With one as in the paper they are
    read without it and without seeing its states, which are written over the span's slots as by `kveraser`.
    """

    name = "kveraser_repair"
    summary = "The 32 tokens that took most from the passage are read again, with the eraser on."

    k: int = 32

    def rewrites(self, context: Context, spans: Sequence[Span]) -> list[Rewrite]:
        backbone = context.backbone
        lookahead = backbone.needed_eraser.lookahead is not None
        found = [stale_tokens(backbone, context.ids, spans, which, self.k) for which in range(len(spans))]
        stale = {slot for some in found for part in some for slot in range(part.start, part.end)}
        passes = []
        for behind in kept(context, spans)[1:]:  # slots between two spans see the same gaps
            slots = sorted(slot for slot in stale if behind.start <= slot < behind.end)
            if slots:
                ids = [context.ids[slot] for slot in slots]
                passes.append(Rewrite(ids, slots, closed(context, spans, behind.start), erasing=lookahead))
        return passes if lookahead else passes + super().rewrites(context, spans)

    def unseen(self, context: Context, spans: Sequence[Span]) -> list[Span]:
        return list(spans)
