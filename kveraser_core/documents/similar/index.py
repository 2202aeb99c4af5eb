"""The windows of one document with their vectors, made bit by bit at the first use and kept."""

import threading
from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from kveraser_core.documents.similar.embedding import DIMENSIONS, MOST_TOKENS, embed, token_starts
from kveraser_core.documents.similar.windows import Windows
from kveraser_core.documents.spans import Span

Progress = Callable[[int, int], None]
_AT_ONCE = 32
"""Pieces that are embedded between two reports of progress."""


class Index:
    """Unit vectors of the windows of `text`, and of those of passages of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = token_starts(text)
        self.windows = self._split(Span(0, len(text)))
        self._lock = threading.Lock()
        # Repeats are embedded once, and texts of a length together.
        self._texts = sorted(set(self.windows.texts), key=lambda piece: (len(piece), piece))
        self._rows = {piece: row for row, piece in enumerate(self._texts)}
        self._characters = list(accumulate(map(len, self._texts), initial=0))
        self._embedded = np.empty((len(self._texts), DIMENSIONS), dtype=np.float32)
        self._done = 0

    def make(self, progress: Progress) -> None:
        """Embed what is not embedded yet; several threads do it together.

        `progress(done, total)` is called with characters, and may raise to give up: what is done is kept.
        """
        while self._done < len(self._texts):
            with self._lock:
                some = slice(self._done, self._done + _AT_ONCE)
                self._embedded[some] = embed(self._texts[some])
                self._done += len(self._texts[some])
            progress(self._characters[self._done], self._characters[-1])

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Those of all windows, `[windows, 384]`, once they are made."""
        return self._vectors([self.windows], self._embedded, self._rows)

    def of_passages(self, passages: Sequence[Span]) -> tuple[list[str], NDArray[np.float32]]:
        """The windows of `passages` as texts, and their vectors, once those of all windows are made."""
        split = [self._split(passage) for passage in passages]
        new = list({piece: None for windows in split for piece in windows.texts if piece not in self._rows})
        rows = self._rows | {piece: row for row, piece in enumerate(new, start=len(self._texts))}
        texts = [self.text[span.start : span.end] for windows in split for span in windows.spans]
        return texts, self._vectors(split, np.concatenate([self._embedded, embed(new)]), rows)

    def _split(self, within: Span) -> Windows:
        return Windows.of(self.text, within, self._tokens, MOST_TOKENS)

    @staticmethod
    def _vectors(
        split: Sequence[Windows], embedded: NDArray[np.float32], rows: dict[str, int]
    ) -> NDArray[np.float32]:
        found = [
            windows.vectors(embedded[[rows[piece] for piece in windows.texts]]) for windows in split if windows.pieces
        ]
        return np.concatenate([np.zeros((0, DIMENSIONS), dtype=np.float32), *found])
