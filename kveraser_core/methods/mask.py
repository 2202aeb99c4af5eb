"""Hide the span's slots and leave the gap."""

from collections.abc import Sequence

from kveraser_core.cache.view import SlotRange
from kveraser_core.documents.spans import Span
from kveraser_core.methods.base import EraseMethod
from kveraser_core.methods.plan import EditPlan, closed_view
from kveraser_core.model.backbone import Backbone


class Mask(EraseMethod):
    """The span's slots hidden, the suffix at its old positions."""

    name = "mask"

    def plan(self, ids: Sequence[int], spans: Sequence[Span], backbone: Backbone) -> EditPlan:
        view = tuple(SlotRange(part.start, part.end) for part in closed_view(spans, len(ids)))
        return EditPlan(self.name, next_position=len(ids), view=view)
