"""Hide the span's slots, encode what takes its place, and close the gap."""

from collections.abc import Sequence

from kveraser_core.methods.base import EraseMethod
from kveraser_core.methods.edited_order import EditedOrder
from kveraser_core.methods.edits import Edit
from kveraser_core.methods.plan import EditPlan
from kveraser_core.model.backbone import Backbone


class DeleteShift(EraseMethod):
    """The span's slots hidden or given to new text, the suffix at the positions that it would have after the edit.

    Rotating the suffix's keys back by the span's length is what others do; attending to them from a query that is
    rotated by as much gives the same, and no key is copied.
    """

    name = "delete_shift"

    def plan(self, ids: Sequence[int], edits: Sequence[Edit], backbone: Backbone) -> EditPlan:
        order = EditedOrder.of(edits, len(ids))
        return EditPlan.of(self.name, order, ids, [order.encoded(*numbered) for numbered in enumerate(edits)])
