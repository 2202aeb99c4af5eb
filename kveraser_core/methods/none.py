"""Nothing is edited: the context as it is, to compare with."""

from collections.abc import Sequence

from kveraser_core.methods.base import EraseMethod
from kveraser_core.methods.edits import Edit
from kveraser_core.methods.plan import EditPlan
from kveraser_core.model.backbone import Backbone


class NoErase(EraseMethod):
    """No step, and a view of everything."""

    name = "none"

    def plan(self, ids: Sequence[int], edits: Sequence[Edit], backbone: Backbone) -> EditPlan:
        return EditPlan(self.name, next_position=len(ids), closed=not edits)
