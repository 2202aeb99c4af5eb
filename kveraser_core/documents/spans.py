"""Spans of a document: characters for people, tokens for the cache.

A span erases every token that touches a highlighted character, so the erased characters are the
highlighted ones rounded out to whole tokens. Nothing here knows about models or caches.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kveraser_core.errors import KVEraserError


class SpanError(KVEraserError):
    """A span that does not lie in the document, or text that does not occur in it."""


@dataclass(frozen=True, order=True)
class Span:
    """The half-open range `[start, end)`: of characters or of tokens, as its user says."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def touches(self, other: "Span") -> bool:
        """Whether both have something in common."""
        return self.start < other.end and other.start < self.end

    def shifted(self, by: int) -> "Span":
        return Span(self.start + by, self.end + by)


class TokenMap:
    """Which characters each token of a text covers.

    `offsets` are the tokenizer's own `(start, end)` pairs, in characters, one a token. Characters that
    the tokenizer gives to no token (the space before a word, where offsets are trimmed) go to the token
    after them, at the very end of the text to the last one, so that every character belongs to a token.
    """

    def __init__(self, offsets: Sequence[tuple[int, int]], text_length: int) -> None:
        starts: list[int] = []
        ends: list[int] = []
        covered = 0
        for start, end in offsets:
            starts.append(min(start, covered))
            covered = max(covered, end)
            ends.append(covered)
        if ends:
            ends[-1] = text_length
        self.starts, self.ends, self.text_length = starts, ends, text_length

    def __len__(self) -> int:
        return len(self.starts)

    def followed_by(self, gap: int, tokens: int, other: "TokenMap") -> "TokenMap":
        """The map of this text, `gap` characters and `tokens` tokens that belong to no text, and another text."""
        at, made = self.text_length + gap, TokenMap((), 0)
        made.starts = [*self.starts, *[at] * tokens, *(start + at for start in other.starts)]
        made.ends = [*self.ends, *[at] * tokens, *(end + at for end in other.ends)]
        made.text_length = at + other.text_length
        return made

    def to_tokens(self, characters: Span) -> Span:
        """The tokens that touch `characters`, and those that share a character with them."""
        first, last = characters.start, characters.end
        while True:
            tokens = Span(bisect_right(self.ends, first), bisect_left(self.starts, last))
            rounded = self.to_characters(tokens)
            if (rounded.start, rounded.end) == (first, last):
                return tokens
            first, last = rounded.start, rounded.end

    def to_characters(self, tokens: Span) -> Span:
        """The characters that `tokens` cover. `tokens` must not be empty."""
        return Span(self.starts[tokens.start], self.ends[tokens.end - 1])


def merge_spans(spans: Iterable[Span]) -> list[Span]:
    """The same characters or tokens as sorted spans, none of which overlap or touch."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def check_span(span: Span, text: str, expected: str | None = None) -> None:
    """Raise `SpanError` unless `span` is a non-empty range of `text` and, if given, reads `expected`."""
    if not 0 <= span.start < span.end <= len(text):
        raise SpanError(
            f"The span {span.start}:{span.end} does not fit: give a start below its end, "
            f"within the document's {len(text):,} characters."
        )
    if expected is not None and text[span.start : span.end] != expected:
        raise SpanError(
            f"The document does not read as expected at {span.start}:{span.end}: select the passage again."
        )


def subtract_spans(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """What of `spans` lies in none of `others`, as sorted spans."""
    left, taken = list[Span](), merge_spans(others)
    for span in merge_spans(spans):
        start = span.start
        for other in taken[bisect_right(taken, span.start, key=lambda other: other.end) :]:
            if other.start >= span.end:
                break
            if other.start > start:
                left.append(Span(start, other.start))
            start = other.end
        if start < span.end:
            left.append(Span(start, span.end))
    return left
