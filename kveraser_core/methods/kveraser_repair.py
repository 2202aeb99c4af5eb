"""The lookahead, and the stalest suffix tokens recomputed in the same pass. Ours, not the paper's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kveraser_core.engines.batch import Segment
from kveraser_core.methods.edited_order import EditedOrder
from kveraser_core.methods.edits import Edit, suffixes
from kveraser_core.methods.kveraser_lookahead import KVEraserLookahead
from kveraser_core.methods.plan import EditPlan, Step
from kveraser_core.methods.staleness import stale_tokens
from kveraser_core.model.backbone import Backbone


@dataclass(frozen=True)
class KVEraserRepair(KVEraserLookahead):
    """Besides the steering states at most `k` tokens an edit, those that took most from it, with the eraser on."""

    name = "kveraser_repair"
    k: int = 32

    def plan(self, ids: Sequence[int], edits: Sequence[Edit], backbone: Backbone) -> EditPlan:
        lookahead, wider = super().plan(ids, edits, backbone), self.wider(ids, edits, backbone)
        order, taken = EditedOrder.of(wider, len(ids)), [wide.span for wide in wider]
        stale = {slot for edit in edits for slot in stale_tokens(backbone, ids, edit, taken, self.k)}
        steps = list[Step]()
        for number, (edit, wide, rest) in enumerate(zip(edits, wider, suffixes(wider, len(ids)), strict=True)):
            slots = sorted(slot for slot in stale if rest.start <= slot < rest.end)
            step = order.encoded(number, wide, eraser_from=len(edit.ids))
            if slots:  # of one run, all up to the next span
                view = order.view_from(rest.start)
                step += (Segment([ids[slot] for slot in slots], slots, view, eraser=True),)
            steps.append(step)
        return replace(
            lookahead,
            steps=tuple(step for step in steps if step),
            suffix_tokens=lookahead.suffix_tokens + len(stale),
        )
