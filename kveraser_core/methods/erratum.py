"""Leave everything in place and tell the model to disregard the span."""

from collections.abc import Sequence

from kveraser_core.documents.spans import Span
from kveraser_core.engines.batch import Segment
from kveraser_core.methods.base import EraseMethod
from kveraser_core.methods.plan import EditPlan
from kveraser_core.model.backbone import Backbone

_QUOTED_WORDS = 40


class Erratum(EraseMethod):
    """Nothing removed; a sentence of correction for each span appended after the context."""

    name = "erratum"

    def plan(self, ids: Sequence[int], spans: Sequence[Span], backbone: Backbone) -> EditPlan:
        quotes = [_quoted(backbone.text_of(ids[span.start : span.end])) for span in spans]
        sentences = "".join(f'\n\nCorrection: disregard the passage "{quote}"' for quote in quotes)
        appended, _ = backbone.tokenize(sentences)
        return EditPlan(self.name, next_position=len(ids) + len(appended), steps=((Segment(appended),),))


def _quoted(passage: str) -> str:
    """The passage on one line; of a long one its beginning and its end."""
    words = passage.split()
    if len(words) > _QUOTED_WORDS:
        words = [*words[: _QUOTED_WORDS // 2], "...", *words[-_QUOTED_WORDS // 2 :]]
    return " ".join(words)
