"""Steering states made from what follows the span instead of the span itself. Ours, not the paper's.

The first suffix tokens are encoded, with the eraser on, as if they followed the prefix, and written over the span's
first slots. That is what a question about the seam attends to, and no state made from the span can stand in for it.
Neither the rest of the span's slots nor these tokens' own slots are attended to any more, and the gap is closed.
"""

from collections.abc import Sequence

from kveraser_core.documents.spans import Span
from kveraser_core.engines.batch import Segment
from kveraser_core.methods.base import EraseMethod
from kveraser_core.methods.plan import EditPlan, closed_view, kept_spans, question_view
from kveraser_core.model.backbone import Backbone


class KVEraserLookahead(EraseMethod):
    """At most `lookahead` tokens a span, as many as its eraser was trained with."""

    name = "kveraser_lookahead"
    eraser = "kveraser_lookahead"

    def plan(self, ids: Sequence[int], spans: Sequence[Span], backbone: Backbone) -> EditPlan:
        hidden = self.hidden(ids, spans, backbone)
        steering = [self.steering(ids, span, own, hidden) for span, own in zip(spans, hidden, strict=True)]
        return EditPlan(
            self.name,
            next_position=len(ids) - sum(map(len, spans)),
            steps=tuple((segment,) for segment in steering if segment.ids),
            view=question_view(hidden, len(ids)),
            suffix_tokens=sum(len(segment.ids) for segment in steering),
        )

    def hidden(self, ids: Sequence[int], spans: Sequence[Span], backbone: Backbone) -> list[Span]:
        """The slots that are hidden: for each span as many as it has, after those that the lookahead takes."""
        lookahead = backbone.eraser_for(self.eraser).lookahead or 0
        suffixes = kept_spans(spans, len(ids))[1:]
        return [
            span.shifted(min(lookahead, len(span), len(rest))) for span, rest in zip(spans, suffixes, strict=True)
        ]

    def steering(self, ids: Sequence[int], span: Span, own: Span, hidden: Sequence[Span]) -> Segment:
        """The tokens after `span` that overwrite its first slots, up to its `own` part of what is `hidden`."""
        count = own.start - span.start
        slots = range(span.start, span.start + count)
        return Segment(ids[span.end : span.end + count], slots, closed_view(hidden, span.start), eraser=True)
