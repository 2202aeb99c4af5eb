"""Which tokens end a line or a sentence."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

SENTENCE_ENDS = ".!?…。！？｡．।॥؟۔"
"""Of Latin, Chinese and Japanese, Devanagari and Arabic text."""


class Breaks:
    """Ends of lines and sentences among the tokens of one vocabulary.

    A sign that the vocabulary spells with several tokens is found where these follow one another.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        every = [[token] for token in range(len(tokenizer))]
        pieces = tokenizer.backend_tokenizer.decode_batch(every, skip_special_tokens=False)
        self._lines = torch.tensor(["\n" in piece for piece in pieces])
        self._sentences = torch.tensor([piece.strip()[-1:] in set(SENTENCE_ENDS) for piece in pieces])
        spelled = [tokenizer(sign, add_special_tokens=False)["input_ids"] for sign in SENTENCE_ENDS]
        self._spelled = [torch.tensor(ids) for ids in spelled if len(ids) > 1]

    def lines(self, ids: Sequence[int] | Tensor) -> Tensor:
        """Whether each of `ids`, `[n]`, ends a line: `[n]`."""
        return self._lines[torch.as_tensor(ids)]

    def sentences(self, ids: Sequence[int] | Tensor) -> Tensor:
        """Whether each of `ids`, `[n]`, ends a sentence: `[n]`."""
        ids = torch.as_tensor(ids)
        found = self._sentences[ids]
        for sign in self._spelled:
            if len(ids) >= len(sign):
                found[len(sign) - 1 :] |= (ids.unfold(0, len(sign), 1) == sign).all(-1)
        return found
