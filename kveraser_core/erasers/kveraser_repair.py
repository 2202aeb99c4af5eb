"""KVEraser with the stalest suffix tokens recomputed."""

from collections.abc import Sequence
from dataclasses import dataclass

from kveraser_core.context import Context
from kveraser_core.erasers.kveraser import KVEraser
from kveraser_core.erasers.staleness import stale_tokens
from kveraser_core.spans import Span, merge_spans


@dataclass(frozen=True)
class KVEraserRepair(KVEraser):
    """`kveraser`, and at most `k` suffix tokens a span recomputed in place, without seeing the steering states."""

    name = "kveraser_repair"
    summary = "Steering states, and the 32 tokens that took most from the passage are read again."

    k: int = 32

    def stale(self, context: Context, spans: Sequence[Span]) -> list[Span]:
        found = [stale_tokens(context.backbone, context.ids, spans, which, self.k) for which in range(len(spans))]
        return merge_spans(span for some in found for span in some)
