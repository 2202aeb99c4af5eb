"""Spans of a document in characters, for people, and in slots of its context, for the cache."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span, SpanError, TokenMap, check_span, merge_spans
from kveraser_core.model.prompts import Role
from kveraser_core.sessions.segments import GAP, ContextSegment, cut


@dataclass(frozen=True)
class ErasedSpan:
    """A passage that is erased: its characters, rounded out to whole tokens, and how many tokens."""

    characters: Span
    text: str
    tokens: int


@dataclass(frozen=True)
class SlotMap:
    """A document whose tokens begin at the slot `start` of a context, in its segments."""

    document: Document
    token_map: TokenMap
    start: int
    segments: tuple[ContextSegment, ...]

    @classmethod
    def of(cls, document: Document, token_map: TokenMap, start: int) -> "SlotMap":
        """The map of a document that nothing was appended to."""
        whole = ContextSegment(document.title, "document", Span(0, len(document.text)), len(token_map))
        return cls(document, token_map, start, (whole,))

    def with_segment(self, name: str, role: Role, text: str, between: int, token_map: TokenMap) -> "SlotMap":
        """The map with `text` appended, after so many tokens `between` that belong to no text."""
        grown = replace(self.document, text=self.document.text + GAP + text)
        characters = Span(len(grown.text) - len(text), len(grown.text))
        return SlotMap(
            grown,
            self.token_map.followed_by(len(GAP), between, token_map),
            self.start,
            (*self.segments, ContextSegment(name, role, characters, len(token_map))),
        )

    def slots(self, spans: Iterable[Span]) -> list[Span]:
        """The slots of every token that touches one of the character spans. Raises `SpanError`."""
        wanted = list(spans)
        for span in wanted:
            check_span(span, self.document.text)
        within = list(cut(wanted, self.segments))
        if wanted and not within:
            raise SpanError("There is nothing to erase between two parts of the document: select some of its text.")
        return merge_spans(self.token_map.to_tokens(span).shifted(self.start) for span in within)

    def erased(self, slots: Span) -> ErasedSpan:
        """What erasing `slots` erases of the document."""
        characters = self.token_map.to_characters(slots.shifted(-self.start))
        return ErasedSpan(characters, self.document.text[characters.start : characters.end], len(slots))
