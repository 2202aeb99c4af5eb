"""Close the gap and recompute the first suffix tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from kveraser_core.engines.batch import Segment
from kveraser_core.methods.base import EraseMethod
from kveraser_core.methods.edited_order import EditedOrder
from kveraser_core.methods.edits import Edit, suffixes
from kveraser_core.methods.plan import EditPlan, Step
from kveraser_core.model.backbone import Backbone


@dataclass(frozen=True)
class LocalRepair(EraseMethod):
    """`delete_shift`, and the first `k` tokens after each span recomputed in place, as they are after the edits."""

    name = "local_repair"
    k: int = 32

    def plan(self, ids: Sequence[int], edits: Sequence[Edit], backbone: Backbone) -> EditPlan:
        order, steps, repaired = EditedOrder.of(edits, len(ids)), list[Step](), 0
        for number, (edit, rest) in enumerate(zip(edits, suffixes(edits, len(ids)), strict=True)):
            slots = range(rest.start, rest.start + min(self.k, len(rest)))
            first = (Segment(ids[slots.start : slots.stop], slots, order.view_from(slots.start)),) if slots else ()
            steps.append(order.encoded(number, edit) + first)
            repaired += len(slots)
        return EditPlan.of(self.name, order, ids, steps, repaired)
