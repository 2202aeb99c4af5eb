"""The passages of a text that are compared with others: each sentence, and each two that follow one another.

Every word of the text lies in one of them. A sentence that is too short to say something by itself is read together
with what follows it, and one that is longer than the sentence model reads is cut.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kveraser_core.documents.similar.sentences import sentences
from kveraser_core.documents.spans import Span

_SHORTEST = 16
"""Bytes of UTF-8, so that a sentence may have fewer characters where each says more."""
_BLANK_LINE = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Windows:
    """The pieces of `text` in order, and by index those that make a window with the one after them, `pairs`."""

    text: str
    pieces: tuple[Span, ...]
    pairs: tuple[int, ...]

    @classmethod
    def of(cls, text: str, within: Span, tokens: Sequence[int], most_tokens: int) -> "Windows":
        """The windows of `text[within]`. The sentence model's tokens begin at the characters `tokens` of `text`."""
        found = [span.shifted(within.start) for span in sentences(text[within.start : within.end])]
        pieces = _joined(text, [part for span in found for part in _cut(text, span, tokens, most_tokens)])
        pairs = (
            at
            for at, (piece, following) in enumerate(pairwise(pieces))
            if piece.end <= following.start and not _BLANK_LINE.search(text, piece.start, following.end)
        )
        return cls(text, tuple(pieces), tuple(pairs))

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The text of each piece."""
        return tuple(self.text[piece.start : piece.end] for piece in self.pieces)

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """All windows: the pieces, then the pairs."""
        pairs = (Span(self.pieces[at].start, self.pieces[at + 1].end) for at in self.pairs)
        return (*self.pieces, *pairs)

    def vectors(self, of_pieces: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit vectors of all windows, `[windows, d]`, from those of the pieces; a pair's is their weighted mean."""
        lengths = np.array([len(piece) for piece in self.pieces], dtype=np.float32)[:, None]
        first = np.array(self.pairs, dtype=np.int64)
        pairs = of_pieces[first] * lengths[first] + of_pieces[first + 1] * lengths[first + 1]
        pairs /= np.maximum(np.linalg.norm(pairs, axis=1, keepdims=True), 1e-9)
        return np.concatenate([of_pieces, pairs])


def _cut(text: str, span: Span, tokens: Sequence[int], most: int) -> list[Span]:
    """`span` in parts of at most so many tokens, cut before a word where there is one."""
    first, last = bisect_left(tokens, span.start), bisect_left(tokens, span.end)
    parts, start = [], span.start
    while last - first > most:
        end = tokens[first + most]
        space = max(text.rfind(" ", start, end), text.rfind("\n", start, end))
        end = space + 1 if space > start else end
        parts.append(Span(start, end))
        start, first = end, bisect_left(tokens, end)
    return [*parts, Span(start, span.end)]


def _joined(text: str, spans: Sequence[Span]) -> list[Span]:
    """`spans`, the short ones each with as many of those after it as it takes, or else with those before it."""
    long = [len(text[span.start : span.end].encode()) >= _SHORTEST for span in spans]
    pieces: list[Span] = []
    at = 0
    while at < len(spans):
        last = at
        while last < len(spans) - 1 and len(text[spans[at].start : spans[last].end].encode()) < _SHORTEST:
            last += 1
        piece = Span(spans[at].start, spans[last].end)
        if at and len(text[piece.start : piece.end].encode()) < _SHORTEST:
            piece = Span(spans[at - 1].start, piece.end)
        pieces.append(piece)
        at = last if last > at and long[last] else last + 1
    return pieces
