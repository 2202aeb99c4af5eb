"""Running text as token ids, from which the tasks take passages."""

import random
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import torch

from kveraser_core.documents import load_document
from kveraser_core.errors import KVEraserError
from kveraser_core.model.backbone import Backbone


class CorpusError(KVEraserError):
    """A folder or file without enough text."""


class Corpus:
    """The text files of a folder, or the files given, tokenised."""

    def __init__(self, backbone: Backbone, sources: Sequence[str | Path]) -> None:
        """Raises `CorpusError` when there is no text and `DocumentError` for a file that cannot be read."""
        files = [file for source in sources for file in _files(Path(source))]
        self.files = [file.name for file in files]
        self.backbone = backbone
        self.texts = [backbone.tokenize(load_document(file).text)[0] for file in files]
        if sum(map(len, self.texts)) < 2000:
            named = ", ".join(map(str, sources))
            raise CorpusError(f"There is too little text in {named}: give a folder with .txt files.")
        self._sentence_starts = [self.boundaries(text) for text in self.texts]

    def passage(self, rng: random.Random, tokens: int) -> list[int]:
        """A run of `tokens` tokens that begins with a sentence."""
        weights = [max(len(text) - tokens, 0) for text in self.texts]
        if not any(weights):
            raise CorpusError(f"No file of the corpus has {tokens:,} tokens: give longer texts.")
        which = rng.choices(range(len(self.texts)), weights)[0]
        starts = self._sentence_starts[which]
        last = bisect_left(starts, len(self.texts[which]) - tokens)
        start = starts[rng.randrange(max(last, 1))]
        return self.texts[which][start : start + tokens]

    def boundaries(self, ids: list[int]) -> list[int]:
        """Offsets of `ids` at which a sentence begins, the first included."""
        breaks = self.backbone.breaks
        ends = (breaks.lines(ids) | breaks.sentences(ids))[:-1] if ids else torch.empty(0)
        return [0, *(at + 1 for at in ends.nonzero().flatten().tolist())]


def _files(source: Path) -> list[Path]:
    if source.is_dir():
        return sorted(source.glob("*.txt"))
    if source.is_file():
        return [source]
    raise CorpusError(f"There is no file or folder {source}: give a folder with .txt files.")
