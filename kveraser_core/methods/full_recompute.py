"""The exact answer: all from the first edit on recomputed, as it is after the edits."""

from collections.abc import Sequence

from kveraser_core.engines.batch import Segment
from kveraser_core.methods.base import EraseMethod
from kveraser_core.methods.edits import Edit, edited_ids, suffix_tokens
from kveraser_core.methods.plan import EditPlan
from kveraser_core.model.backbone import Backbone


class FullRecompute(EraseMethod):
    """The prefix kept, all that comes after it in the edited text prefilled again."""

    name = "full_recompute"

    def plan(self, ids: Sequence[int], edits: Sequence[Edit], backbone: Backbone) -> EditPlan:
        start, edited = edits[0].span.start, edited_ids(ids, edits)
        changed = edited[start:]
        return EditPlan(
            self.name,
            next_position=len(edited),
            steps=((Segment(changed),),) if changed else (),
            keep=start,
            closed=True,
            suffix_tokens=suffix_tokens(ids, edits),
        )
