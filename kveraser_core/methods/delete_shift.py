"""Hide the span's slots and close the gap."""

from collections.abc import Sequence

from kveraser_core.documents.spans import Span
from kveraser_core.methods.base import EraseMethod
from kveraser_core.methods.plan import EditPlan, question_view
from kveraser_core.model.backbone import Backbone


class DeleteShift(EraseMethod):
    """The span's slots hidden, the suffix at the positions it would have without the span.

    Rotating the suffix's keys back by the span's length is what others do; attending to them from a query that is
    rotated by as much gives the same, and no key is copied.
    """

    name = "delete_shift"

    def plan(self, ids: Sequence[int], spans: Sequence[Span], backbone: Backbone) -> EditPlan:
        return EditPlan(
            self.name,
            next_position=len(ids) - sum(map(len, spans)),
            view=question_view(spans, len(ids)),
        )
