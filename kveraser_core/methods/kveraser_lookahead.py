"""Steering states made from what follows the span instead of the span itself. Ours, not the paper's.

The first suffix tokens are encoded, with the eraser on, as if they followed the prefix and what takes the span's
place, and written over the span's first slots. That is what a question about the seam attends to, and no state made
from the span can stand in for it. Neither the rest of the span's slots nor these tokens' own slots are attended to
any more, and the gap is closed.
"""

from collections.abc import Sequence

from kveraser_core.documents.spans import Span
from kveraser_core.methods.base import EraseMethod
from kveraser_core.methods.edited_order import EditedOrder
from kveraser_core.methods.edits import Edit, suffixes
from kveraser_core.methods.plan import EditPlan
from kveraser_core.model.backbone import Backbone


class KVEraserLookahead(EraseMethod):
    """At most `lookahead` tokens an edit, as many as its eraser was trained with."""

    name = "kveraser_lookahead"
    eraser = "kveraser_lookahead"

    def plan(self, ids: Sequence[int], edits: Sequence[Edit], backbone: Backbone) -> EditPlan:
        wider = self.wider(ids, edits, backbone)
        order = EditedOrder.of(wider, len(ids))
        steps = [
            order.encoded(number, wide, eraser_from=len(edit.ids))
            for number, (edit, wide) in enumerate(zip(edits, wider, strict=True))
        ]
        looked = sum(len(wide.ids) - len(edit.ids) for edit, wide in zip(edits, wider, strict=True))
        return EditPlan.of(self.name, order, ids, steps, looked)

    def wider(self, ids: Sequence[int], edits: Sequence[Edit], backbone: Backbone) -> list[Edit]:
        """The edits, each with the suffix tokens that are looked ahead to, no more than it has tokens itself."""
        lookahead, made = backbone.eraser_for(self.eraser).lookahead or 0, list[Edit]()
        for edit, rest in zip(edits, suffixes(edits, len(ids)), strict=True):
            count = min(lookahead, max(len(edit.span), len(edit.ids)), len(rest))
            end = edit.span.end + count
            made.append(Edit(Span(edit.span.start, end), (*edit.ids, *ids[edit.span.end : end])))
        return made
