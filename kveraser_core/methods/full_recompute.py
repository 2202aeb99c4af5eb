"""The exact answer: the whole suffix recomputed without the spans."""

from collections.abc import Sequence

from kveraser_core.documents.spans import Span
from kveraser_core.engines.batch import Segment
from kveraser_core.methods.base import EraseMethod
from kveraser_core.methods.plan import EditPlan, kept_ids, suffix_tokens
from kveraser_core.model.backbone import Backbone


class FullRecompute(EraseMethod):
    """The prefix kept, all that is left after the first span prefilled again."""

    name = "full_recompute"

    def plan(self, ids: Sequence[int], spans: Sequence[Span], backbone: Backbone) -> EditPlan:
        start, kept = spans[0].start, kept_ids(ids, spans)
        suffix = kept[start:]
        return EditPlan(
            self.name,
            next_position=len(kept),
            steps=((Segment(suffix),),) if suffix else (),
            keep=start,
            suffix_tokens=suffix_tokens(ids, spans),
        )
