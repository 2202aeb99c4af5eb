"""KVEraser, the published method (arXiv 2606.17034): learned steering states in place of the span's.

The span's own tokens are encoded again with the eraser on, a LoRA adapter on the same model, with the prefix as
their past. Their keys and values, the steering states, overwrite the span's slots. Nothing else is touched: the
suffix keeps its states and its positions, and attends to the steering states where it attended to the span. Prefill
and generation run the unchanged model.
"""

from collections.abc import Sequence

from kveraser_core.engines.batch import Segment
from kveraser_core.methods.base import CannotReplace, EraseMethod
from kveraser_core.methods.edits import Edit
from kveraser_core.methods.plan import EditPlan
from kveraser_core.model.backbone import Backbone


class KVEraser(EraseMethod):
    """One step a span, from left to right, so that a span's prefix holds the steering states of those before it."""

    name = "kveraser"
    eraser = "kveraser"

    def plan(self, ids: Sequence[int], edits: Sequence[Edit], backbone: Backbone) -> EditPlan:
        if any(edit.ids for edit in edits):
            raise CannotReplace(
                "kveraser only erases: name local_repair or full_recompute to put text in the place of a passage."
            )
        return EditPlan(
            self.name,
            next_position=len(ids),
            steps=tuple(
                (Segment(ids[span.start : span.end], range(span.start, span.end), eraser=True),)
                for span in (edit.span for edit in edits)
            ),
        )
