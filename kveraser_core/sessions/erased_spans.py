"""Spans of a document in characters, for people, and in slots of its context, for the cache."""

from collections.abc import Iterable
from dataclasses import dataclass

from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span, TokenMap, check_span, merge_spans


@dataclass(frozen=True)
class ErasedSpan:
    """A passage that is erased: its characters, rounded out to whole tokens, and how many tokens."""

    characters: Span
    text: str
    tokens: int


@dataclass(frozen=True)
class SlotMap:
    """A document whose tokens begin at the slot `start` of a context."""

    document: Document
    token_map: TokenMap
    start: int

    def slots(self, spans: Iterable[Span]) -> list[Span]:
        """The slots of every token that touches one of the character spans. Raises `SpanError`."""
        wanted = list(spans)
        for span in wanted:
            check_span(span, self.document.text)
        return merge_spans(self.token_map.to_tokens(span).shifted(self.start) for span in wanted)

    def erased(self, slots: Span) -> ErasedSpan:
        """What erasing `slots` erases of the document."""
        characters = self.token_map.to_characters(slots.shifted(-self.start))
        return ErasedSpan(characters, self.document.text[characters.start : characters.end], len(slots))
