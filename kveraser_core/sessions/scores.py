"""How close the answers of a comparison are to the reference."""

from collections.abc import Sequence

from torch import Tensor

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.methods import REFERENCE
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import agreement, answer_logits

Scores = tuple[float | None, float | None]


class Scorer:
    """Measures methods against full recompute along its own answer, once that is known."""

    def __init__(self, backbone: Backbone, prompt_ids: Sequence[int]) -> None:
        self._backbone, self._prompt_ids = backbone, prompt_ids
        self._reference: tuple[Sequence[int], Tensor] | None = None

    def score(self, method: str, cache: EditableCache, answer_ids: Sequence[int]) -> Scores:
        """The share of equal top tokens, and KL in nats a token; `None` before the reference was scored."""
        if method == REFERENCE:
            self._reference = answer_ids, answer_logits(self._backbone, cache, self._prompt_ids, answer_ids)
        if self._reference is None:
            return None, None
        ids, expected = self._reference
        return agreement(expected, answer_logits(self._backbone, cache, self._prompt_ids, ids))
