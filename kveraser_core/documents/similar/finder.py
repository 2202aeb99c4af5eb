"""Passages like an erased one: literal repeats, and neighbours in meaning.

Windows of sentences are embedded with the packaged sentence model and compared by cosine. That finds what is about
the same thing, not what says the same: a rule and its opposite are close. So each is given with the words in which
it differs. Nothing here knows about caches or sessions, and it runs beside them.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.similar.differences import differences
from kveraser_core.documents.similar.index import Index, Progress
from kveraser_core.documents.spans import Span, SpanError, merge_spans

CUT_OFF = 0.8
"""Cosine from which a window counts as similar. On the samples, passages about the very fact that an erased
one is about score 0.85 to 0.97, others on its subject 0.73 at most."""
_ASKED_AT_ONCE = 256
_REMEMBERED = 256


@dataclass(frozen=True)
class Similar:
    """A passage of the document, how similar it is (cosine; 1 for a literal repeat), and its text.

    `added` are the ranges of its words that the erased passage it is most like does not have, in characters of the
    document; `missing` are the words which that one has and it does not.
    """

    span: Span
    score: float
    text: str
    literal: bool = False
    added: tuple[Span, ...] = ()
    missing: tuple[str, ...] = ()


class SimilarFinder:
    """Finds similar passages in one document. The embeddings are made at the first search and kept."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lock = threading.Lock()
        self._made: Index | None = None
        self._places = lru_cache(_REMEMBERED)(self._find)  # each search is for all that is erased

    def find(
        self,
        passages: Sequence[Span],
        most: int = 8,
        cut_off: float = CUT_OFF,
        progress: Progress = lambda done, total: None,
    ) -> list[Similar]:
        """Passages outside `passages` that are like one of them, literal repeats first, then by score.

        None of them overlap. `passages` are ranges of characters of the document. While that is embedded,
        `progress(done, total)` is called with characters; what it raises ends the search, and the next search goes
        on from there.
        """
        erased = merge_spans(passages)
        repeats = self._repeats(erased)[:most]
        found = [Similar(span, 1.0, self._text[span.start : span.end], True) for span in repeats]
        index = self._index()
        index.make(progress)
        for similar in _alike(index, passages, [*erased, *repeats], cut_off):
            if len(found) >= most:
                break
            found.append(similar)
        return found

    def _repeats(self, erased: Sequence[Span]) -> list[Span]:
        repeats = list[Span]()
        for passage in {" ".join(self._text[span.start : span.end].split()): None for span in erased}:
            starts, ends = _bounds(merge_spans([*erased, *repeats]))
            repeats += [span for span in self._places(passage) if _free(span, starts, ends)]
        return sorted(repeats)

    def _find(self, passage: str) -> list[Span]:
        try:
            return find_text(self._text, passage, whole_words=True)
        except SpanError:
            return []

    def _index(self) -> Index:
        with self._lock:
            if self._made is None:
                self._made = Index(self._text)
            return self._made


def _alike(index: Index, passages: Sequence[Span], taken: Sequence[Span], cut_off: float) -> Iterator[Similar]:
    """Windows like a passage, the best first, none overlapping another or a span that is `taken`."""
    spans, (asked, vectors) = index.windows.spans, index.of_passages(passages)
    starts, ends = _bounds(spans)
    free = np.ones(len(spans), dtype=bool)
    for span in taken:
        free &= (ends <= span.start) | (starts >= span.end)
    left = np.flatnonzero(free)
    if not asked or not left.size:
        return
    scores, most_like = _best(index.vectors[left], vectors)
    for rank in np.argsort(-scores, kind="stable"):
        if scores[rank] < cut_off:
            return
        span = spans[left[rank]]
        if free[left[rank]]:
            free &= (ends <= span.start) | (starts >= span.end)
            text = index.text[span.start : span.end]
            differ = differences(text, asked[most_like[rank]])
            added = tuple(word.shifted(span.start) for word in differ.added)
            yield Similar(span, float(scores[rank]), text, False, added, differ.missing)


def _best(vectors: NDArray[np.float32], asked: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """For each of `vectors` its cosine with the one of `asked` that it is most like, and which that is."""
    best = np.full(len(vectors), -np.inf, dtype=np.float32)
    which = np.zeros(len(vectors), dtype=np.int64)
    for first in range(0, len(asked), _ASKED_AT_ONCE):
        scores = vectors @ asked[first : first + _ASKED_AT_ONCE].T
        at = scores.argmax(axis=1)
        highest = scores[np.arange(len(scores)), at]
        which = np.where(highest > best, first + at, which)
        best = np.maximum(best, highest)
    return best, which


def _bounds(spans: Sequence[Span]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    bounds = np.array([(span.start, span.end) for span in spans], dtype=np.int64).reshape(-1, 2)
    return bounds[:, 0], bounds[:, 1]


def _free(span: Span, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> bool:
    """Whether `span` overlaps none of the sorted ranges."""
    return bool(np.searchsorted(ends, span.start, side="right") == np.searchsorted(starts, span.end, side="left"))
