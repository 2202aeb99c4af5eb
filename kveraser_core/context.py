"""A context: the opening of the prompt and one document, prefilled once into a cache."""

from collections.abc import Callable
from dataclasses import dataclass

from kveraser_core.backbone import Backbone
from kveraser_core.documents import Document
from kveraser_core.errors import KVEraserError
from kveraser_core.generation import prefill
from kveraser_core.kv_cache import EditableCache
from kveraser_core.prompts import Prompt
from kveraser_core.spans import Span, TokenMap

RESERVE = 512
"""Tokens of the window that a document must leave free for questions and answers."""
HEADROOM = 4096
"""Slots kept behind the context for questions and answers, where the window allows them."""


class DocumentTooLong(KVEraserError):
    """A document with more tokens than the model's window has room for."""


@dataclass(frozen=True)
class Context:
    """What the model has read. Slot i of `cache` holds the states of `ids[i]`, at position i.

    The document's tokens begin at slot `document_start`; `token_map` counts from there.
    """

    backbone: Backbone
    prompt: Prompt
    document: Document
    ids: list[int]
    document_start: int
    token_map: TokenMap
    cache: EditableCache

    @property
    def headroom(self) -> int:
        """How many tokens can be asked and answered behind the context."""
        return self.cache.capacity - len(self.ids)

    def slots_of(self, characters: Span) -> Span:
        """The slots that a span of the document's characters erases."""
        return self.token_map.to_tokens(characters).shifted(self.document_start)

    def characters_of(self, slots: Span) -> Span:
        """The characters that a span of slots covers."""
        return self.token_map.to_characters(slots.shifted(-self.document_start))


def read_context(
    backbone: Backbone,
    document: Document,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Context:
    """Prefill `document`. Raises `DocumentTooLong` and `Cancelled`; `progress` as in `prefill`."""
    prompt = Prompt(backbone)
    document_ids, token_map = backbone.tokenize(document.text)
    ids = prompt.head_ids + document_ids
    if len(ids) > backbone.window - RESERVE:
        raise DocumentTooLong(_too_long(backbone, document, token_map, len(prompt.head_ids)))
    cache = backbone.new_cache(min(backbone.window, len(ids) + HEADROOM))
    prefill(backbone, ids, cache, progress, cancelled)
    return Context(backbone, prompt, document, ids, len(prompt.head_ids), token_map, cache)


def fitting_pages(backbone: Backbone, document: Document, token_map: TokenMap, first: int = 1) -> int | None:
    """The last page so that pages `first` to it fit the window, or `None` when not even one does."""
    room = backbone.window - RESERVE - len(Prompt(backbone).head_ids)
    starts = [*document.page_starts, len(document.text)]
    begin = token_map.to_tokens(Span(starts[first - 1], starts[first - 1] + 1)).start
    fitting = None
    for last in range(first, document.page_count + 1):
        end = starts[last]
        tokens = (token_map.to_tokens(Span(end - 1, end)).end if end else 0) - begin
        if tokens > room:
            break
        fitting = last
    return fitting


def _too_long(backbone: Backbone, document: Document, token_map: TokenMap, head: int) -> str:
    room = backbone.window - RESERVE - head
    sentence = f"{document.title} has {len(token_map):,} tokens and {backbone.name} has room for {room:,}"
    last = fitting_pages(backbone, document, token_map) if document.page_count > 1 else None
    if last is None:
        return f"{sentence}: give a shorter document, or a model with a longer window."
    return f"{sentence}: pages 1-{last} of {document.page_count} would fit."
