"""The lookahead, and the stalest suffix tokens recomputed in the same pass. Ours, not the paper's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kveraser_core.documents.spans import Span
from kveraser_core.engines.batch import Segment
from kveraser_core.methods.kveraser_lookahead import KVEraserLookahead
from kveraser_core.methods.plan import EditPlan, Step, closed_view, kept_spans
from kveraser_core.methods.staleness import stale_tokens
from kveraser_core.model.backbone import Backbone


@dataclass(frozen=True)
class KVEraserRepair(KVEraserLookahead):
    """Besides the steering states at most `k` tokens a span, those that took most from it, with the eraser on."""

    name = "kveraser_repair"
    k: int = 32

    def plan(self, ids: Sequence[int], spans: Sequence[Span], backbone: Backbone) -> EditPlan:
        lookahead = super().plan(ids, spans, backbone)
        hidden = self.hidden(ids, spans, backbone)
        stale = {slot for span in spans for slot in stale_tokens(backbone, ids, span, [*spans, *hidden], self.k)}
        steps = list[Step]()
        for span, own, rest in zip(spans, hidden, kept_spans(hidden, len(ids))[1:], strict=True):
            slots = sorted(slot for slot in stale if rest.start <= slot < rest.end)
            view = closed_view(hidden, rest.start)  # the same for all slots up to the next span
            repaired = Segment([ids[slot] for slot in slots], slots, view, eraser=True)
            steps.append(tuple(part for part in (self.steering(ids, span, own, hidden), repaired) if part.ids))
        return replace(
            lookahead,
            steps=tuple(step for step in steps if step),
            suffix_tokens=lookahead.suffix_tokens + len(stale),
        )
