"""Where an answer comes from: the sentences of a document that say most about a question and its answer.

Sentences are scored by the words that they share with both, the rarer in the document the more, which needs no
model and finds the few that may say something. Those are embedded, and closeness in meaning to the question is added.
Measured by `kveraser answers`.
"""

import math
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from kveraser_core.documents.document import Document
from kveraser_core.documents.similar.differences import words_of
from kveraser_core.documents.similar.embedding import MOST_TOKENS, embed, token_starts
from kveraser_core.documents.similar.windows import Windows
from kveraser_core.documents.spans import Span, merge_spans

CUT_OFF = 0.6
"""Least score of a passage. Over articles of 16 development documents (188 questions), 2% of the best passages for a
question score less, and none for a question about another article scores as much."""
_CANDIDATES = 24
_OF_ANSWER = 0.5
"""What a word shared with the answer counts beside one shared with the question: the answer may be wrong."""

_FORM = frozenset(
    """
    a an the this that these those it its he she they their there which who what when where and or but of
    in on at to for from by with as is are was were be been has have had do does did can will would
    according answer answers based context document describes mentions mentioned passage provided question says said
    stated states text
    """.split()  # noqa: SIM905
)
"""Words of which an answer is built, whatever it says: that they stand nowhere in the document tells nothing."""


@dataclass(frozen=True)
class Passage:
    """A sentence of the document in characters, its text, and how much it says: up to 1 each for meaning and words,
    and half of that for words of the answer."""

    span: Span
    text: str
    score: float


@dataclass(frozen=True)
class Evidence:
    """What of a document an answer may rest on, the best first, and the answer's words that stand nowhere in it."""

    passages: tuple[Passage, ...]
    absent: tuple[str, ...]

    def as_json(self, document: Document) -> dict[str, Any]:
        """What programs get, with the page of each passage in `document`."""
        passages = [
            {
                "start": passage.span.start,
                "end": passage.span.end,
                "page": document.page_at(passage.span.start),
                "text": passage.text,
                "score": passage.score,
            }
            for passage in self.passages
        ]
        return {"passages": passages, "absent": list(self.absent)}


class EvidenceFinder:
    """Finds the evidence for answers about one document."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._embedded = lru_cache(4096)(lambda piece: embed([piece])[0])

    @cached_property
    def _pieces(self) -> list[tuple[Span, frozenset[str]]]:
        """The sentences and the words of each."""
        text = self._text
        windows = Windows.of(text, Span(0, len(text)), token_starts(text), MOST_TOKENS)
        return [(span, frozenset(words_of(text[span.start : span.end]))) for span in windows.pieces]

    def find(self, question: str, answer: str, erased: Sequence[Span] = (), most: int = 3) -> Evidence:
        """The evidence in what is not `erased`, ranges of characters of the document: `most` passages at most."""
        gone = merge_spans(erased)
        kept = [
            (span, words)
            for span, words in self._pieces
            if not any(span.start < other.end and other.start < span.end for other in gone)
        ]
        known = Counter(word for _, words in kept for word in words)
        asked, said = set(words_of(question)), words_of(answer)
        absent = tuple(dict.fromkeys(word for word in said if word not in known and word not in asked | _FORM))
        weights = {word: math.log((len(kept) + 1) / (known[word] + 0.5)) for word in asked | set(said)}

        def overlap(words: Set[str], wanted: Set[str]) -> float:
            whole = sum(weights[word] for word in wanted)
            return sum(weights[word] for word in words & wanted) / whole if whole > 0 else 0.0

        by_words = [overlap(words, asked) + _OF_ANSWER * overlap(words, set(said)) for _, words in kept]
        first = sorted((at for at in range(len(kept)) if by_words[at] > 0), key=lambda at: -by_words[at])[
            :_CANDIDATES
        ]
        if not first:
            return Evidence((), absent)
        closeness = self._closeness(question, [kept[at][0] for at in first])
        scored = sorted(
            (
                Passage(kept[at][0], self._text[kept[at][0].start : kept[at][0].end], by_words[at] + close)
                for at, close in zip(first, closeness, strict=True)
            ),
            key=lambda passage: -passage.score,
        )
        return Evidence(tuple(passage for passage in scored[:most] if passage.score >= CUT_OFF), absent)

    def _closeness(self, question: str, spans: Sequence[Span]) -> list[float]:
        """The cosine of each span's text with `question`."""
        vectors = np.stack([self._embedded(self._text[span.start : span.end]) for span in spans])
        return [float(cosine) for cosine in vectors @ self._embedded(question)]
