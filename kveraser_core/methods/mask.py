"""Hide the span's slots, but for new text in its place, and leave the gap."""

from collections.abc import Sequence
from dataclasses import replace

from kveraser_core.methods.base import CannotReplace, EraseMethod
from kveraser_core.methods.edited_order import EditedOrder
from kveraser_core.methods.edits import Edit
from kveraser_core.methods.plan import EditPlan
from kveraser_core.model.backbone import Backbone


class Mask(EraseMethod):
    """The span's slots hidden or given to new text that is no longer, the suffix at its old positions."""

    name = "mask"

    def plan(self, ids: Sequence[int], edits: Sequence[Edit], backbone: Backbone) -> EditPlan:
        if any(edit.growth for edit in edits):
            raise CannotReplace(
                "mask leaves the suffix where it is, so that new text can have no more tokens than its passage: "
                "shorten it, or name another erase method."
            )
        order = EditedOrder.of(edits, len(ids), close_gaps=False)
        plan = EditPlan.of(self.name, order, ids, [order.encoded(*numbered) for numbered in enumerate(edits)])
        return replace(plan, closed=False)
