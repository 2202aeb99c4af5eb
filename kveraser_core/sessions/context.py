"""A context: the opening of the prompt and the tokens of one document, prefilled once into a cache."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import prefill
from kveraser_core.model.prompts import Prompt

HEADROOM = 4096
"""Slots kept after a context for questions and answers, where the window allows them."""


@dataclass(frozen=True)
class Context:
    """What the model has read. Slot i of `cache` holds the states of `ids[i]`, at position i.

    The document's tokens begin at slot `document_start`. A token of it took `seconds_a_token` to
    prefill, on average, where that was measured.
    """

    backbone: Backbone
    prompt: Prompt
    ids: list[int]
    document_start: int
    cache: EditableCache
    seconds_a_token: float | None = None

    def append(
        self,
        ids: Sequence[int],
        progress: Callable[[int, int], object] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prefill `ids` after the context, where no edit is in force. Raises `Cancelled` and has appended nothing."""
        try:
            prefill(self.backbone, ids, self.cache, progress, cancelled)
        except BaseException:
            self.cache.truncate(len(self.ids))
            raise
        self.ids.extend(ids)

    @property
    def headroom(self) -> int:
        """How many tokens can be asked and answered after the context."""
        return self.cache.capacity - len(self.ids)


def capacity_for(backbone: Backbone, document_tokens: int) -> int:
    """How many slots the cache of a document of so many tokens has."""
    tokens = len(Prompt(backbone).head_ids) + document_tokens
    return max(min(backbone.window, tokens + HEADROOM), tokens)


def read_context(
    backbone: Backbone,
    document_ids: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Context:
    """Prefill the prompt's opening and a document. Raises `Cancelled`; `progress` as in `prefill`."""
    prompt = Prompt(backbone)
    ids = [*prompt.head_ids, *document_ids]
    cache = backbone.new_cache(capacity_for(backbone, len(document_ids)))
    seconds = prefill(backbone, ids, cache, progress, cancelled)
    return Context(backbone, prompt, ids, len(prompt.head_ids), cache, seconds / len(ids))
