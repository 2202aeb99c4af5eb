"""What a model's own `generate` may do with a lent cache: go on from the tokens that the cache stands for.

transformers takes the ids after the cache's length for new ones, whatever they are, and checks nothing.
"""

from functools import wraps
from types import MethodType
from typing import Any

from torch import Tensor

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.layer import OneSequence
from kveraser_core.errors import KVEraserError


class OtherTokens(KVEraserError):
    """Token ids that do not begin with those that the cache stands for."""


def guard(model: Any) -> None:
    """Have the `generate` of `model`, a `PreTrainedModel`, refuse ids that do not go on from an `EditableCache`.

    Does nothing the second time.
    """
    if "prepare_inputs_for_generation" in vars(model):
        return
    prepare = type(model).prepare_inputs_for_generation

    @wraps(prepare)
    def checked(self: Any, input_ids: Tensor, next_sequence_length: int | None = None, **options: Any) -> Any:
        cache = options.get("past_key_values")
        if isinstance(cache, EditableCache) and options.get("is_first_iteration"):
            check_ids(cache, input_ids, options.get("attention_mask"), new_only=next_sequence_length is None)
        return prepare(self, input_ids, next_sequence_length=next_sequence_length, **options)

    model.prepare_inputs_for_generation = MethodType(checked, model)


def check_ids(cache: EditableCache, ids: Tensor, mask: Tensor | None, new_only: bool) -> None:
    """Raise `OtherTokens` or `OneSequence` unless `ids`, `[1, tokens]`, go on from `cache`.

    With `new_only` they hold none of the tokens that the cache stands for, as the length of a mask has told.
    """
    if len(ids) != 1:
        raise OneSequence
    if mask is not None and not bool(mask.all()):
        raise OtherTokens("An editable cache holds no padding: leave the attention mask out, or make it all ones.")
    known, own = cache.next_position, cache.ids or ()
    if not new_only and (ids.shape[1] <= known or tuple(ids[0, : len(own)].tolist()) != own):
        raise OtherTokens(
            f"The ids do not go on from the cache, which stands for {known:,} tokens: give those (cache.ids, then "
            "what was generated since) and the new ones after them."
        )
