"""KVEraser, and the stalest suffix tokens rewritten."""

from collections.abc import Sequence
from dataclasses import dataclass

from kveraser_core.cache.view import Rewrite
from kveraser_core.documents.spans import Span
from kveraser_core.methods.base import kept
from kveraser_core.methods.kveraser import KVEraser, closed
from kveraser_core.methods.staleness import stale_tokens
from kveraser_core.sessions.context import Context


@dataclass(frozen=True)
class KVEraserRepair(KVEraser):
    """Besides the steering states at most `k` tokens a span, the stalest behind it, read again in place.

    An eraser with lookahead is on for them as well. With one as in the paper they are read without it, and without
    seeing its states.
    """

    name = "kveraser_repair"
    summary = "As `kveraser`, and the 32 tokens behind that took most from the passage are read again."

    k: int = 32

    def _repaired(self, context: Context, spans: Sequence[Span]) -> list[list[Rewrite]]:
        backbone = context.backbone
        unseen = self.unseen(context, spans)
        taken = [*spans, *unseen]
        found = [stale_tokens(backbone, context.ids, span, taken, self.k) for span in spans]
        stale = {slot for some in found for part in some for slot in range(part.start, part.end)}
        erasing = backbone.needed_eraser.lookahead is not None
        repaired = []
        for behind in kept(context, unseen)[1:]:  # slots between two spans see the same gaps
            slots = sorted(slot for slot in stale if behind.start <= slot < behind.end)
            ids = [context.ids[slot] for slot in slots]
            repaired.append([Rewrite(ids, slots, closed(context, unseen, behind.start), erasing)] if slots else [])
        return repaired
