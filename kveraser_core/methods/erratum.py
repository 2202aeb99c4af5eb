"""Leave everything in place and tell the model to disregard the span, or to read other text in its place."""

from collections.abc import Sequence

from kveraser_core.engines.batch import Segment
from kveraser_core.methods.base import EraseMethod
from kveraser_core.methods.edits import Edit
from kveraser_core.methods.plan import EditPlan
from kveraser_core.model.backbone import Backbone

_QUOTED_WORDS = 40


class Erratum(EraseMethod):
    """Nothing removed; a sentence of correction for each edit appended after the context."""

    name = "erratum"

    def plan(self, ids: Sequence[int], edits: Sequence[Edit], backbone: Backbone) -> EditPlan:
        appended, _ = backbone.tokenize("".join(f"\n\n{_sentence(edit, ids, backbone)}" for edit in edits))
        return EditPlan(self.name, next_position=len(ids) + len(appended), steps=((Segment(appended),),))


def _sentence(edit: Edit, ids: Sequence[int], backbone: Backbone) -> str:
    quote = _quoted(backbone.text_of(ids[edit.span.start : edit.span.end]))
    if edit.ids:
        return f'Correction: for the passage "{quote}" read "{" ".join(backbone.text_of(edit.ids).split())}"'
    return f'Correction: disregard the passage "{quote}"'


def _quoted(passage: str) -> str:
    """The passage on one line; of a long one its beginning and its end."""
    words = passage.split()
    if len(words) > _QUOTED_WORDS:
        words = [*words[: _QUOTED_WORDS // 2], "...", *words[-_QUOTED_WORDS // 2 :]]
    return " ".join(words)
