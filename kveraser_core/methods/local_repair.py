"""Close the gap and recompute the first suffix tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from kveraser_core.documents.spans import Span
from kveraser_core.engines.batch import Segment
from kveraser_core.methods.base import EraseMethod
from kveraser_core.methods.plan import EditPlan, closed_view, kept_spans, question_view
from kveraser_core.model.backbone import Backbone


@dataclass(frozen=True)
class LocalRepair(EraseMethod):
    """`delete_shift`, and the first `k` tokens after each span recomputed in place, without the spans."""

    name = "local_repair"
    k: int = 32

    def plan(self, ids: Sequence[int], spans: Sequence[Span], backbone: Backbone) -> EditPlan:
        first = [Span(rest.start, rest.start + min(self.k, len(rest))) for rest in kept_spans(spans, len(ids))[1:]]
        return EditPlan(
            self.name,
            next_position=len(ids) - sum(map(len, spans)),
            steps=tuple(
                (Segment(ids[run.start : run.end], range(run.start, run.end), closed_view(spans, run.start)),)
                for run in first
                if run
            ),
            view=question_view(spans, len(ids)),
            suffix_tokens=sum(map(len, first)),
        )
