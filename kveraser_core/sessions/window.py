"""Whether a document fits the model's window, and which pages of it would."""

from collections.abc import Iterable
from dataclasses import replace

from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span, TokenMap
from kveraser_core.errors import KVEraserError
from kveraser_core.methods.edits import Edit
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.prompts import Prompt

RESERVE = 512
"""Tokens of the window that a document must leave free for questions and answers."""

_SPARE = 8
"""Tokens by which a text may grow where it is cut."""
ASKING = 256
"""Tokens that new text in the place of passages must leave free."""


class DocumentTooLong(KVEraserError):
    """A document with more tokens than the model's window has room for."""


class TooMuchText(KVEraserError):
    """New text in the place of passages for which the cache has no room."""


def room_for_document(backbone: Backbone) -> int:
    """The most tokens a document may have."""
    return backbone.window - RESERVE - len(Prompt(backbone).head_ids)


def check_fits(backbone: Backbone, document: Document, token_map: TokenMap) -> None:
    """Raise `DocumentTooLong`, with both numbers and the pages that would fit, unless `document` fits."""
    room = room_for_document(backbone)
    if len(token_map) <= room:
        return
    sentence = f"{document.title} has {len(token_map):,} tokens and {backbone.name} has room for {room:,}"
    last = _last_fitting_page(document, token_map, room) if document.page_count > 1 else None
    if last is None:
        raise DocumentTooLong(f"{sentence}: give a shorter document, or a model with a longer window.")
    raise DocumentTooLong(f"{sentence}: pages 1-{last} of {document.page_count} would fit.")


def check_growth(edits: Iterable[Edit], headroom: int) -> None:
    """Raise `TooMuchText` unless the new text of `edits` fits into `headroom` tokens, with a question after it."""
    growth, room = sum(edit.growth for edit in edits), max(headroom - ASKING, 0)
    if growth > room:
        raise TooMuchText(
            f"The new text has {growth:,} tokens more than what it replaces, and there is room for {room:,} more: "
            "shorten it."
        )


def fitting_pages(backbone: Backbone, document: Document, first: int = 1) -> int | None:
    """The last page so that pages `first` to it fit the window; `None` when not even one does."""
    return _last_fitting_page(document, backbone.tokenize(document.text)[1], room_for_document(backbone), first)


def fitting_part(backbone: Backbone, document: Document) -> Document:
    """The beginning of `document` that fits the window, up to a paragraph's end where that leaves more than half.

    A warning says how much was left out.
    """
    token_map, room = backbone.tokenize(document.text)[1], room_for_document(backbone) - _SPARE
    if len(token_map) <= room:
        return document
    text = document.text[: token_map.ends[room - 1]]
    ends = (text.rfind(separator) for separator in ("\n\n", "\n", " "))
    text = text[: next((end for end in ends if end > len(text) // 2), len(text))]
    left_out = f"Only the first {len(text):,} of {len(document.text):,} characters were read: no more fits the model."
    return replace(document, text=text, warnings=(*document.warnings, left_out))


def _last_fitting_page(document: Document, token_map: TokenMap, room: int, first: int = 1) -> int | None:
    starts = [*document.page_starts, len(document.text)]
    fitting = None
    for last in range(first, document.page_count + 1):
        characters = Span(starts[first - 1], starts[last])
        if len(characters) and len(token_map.to_tokens(characters)) > room:
            break
        fitting = last
    return fitting
