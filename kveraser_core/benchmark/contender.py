"""Whoever takes part: reads a context once, then erases a span from it and answers, as often as asked."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from kveraser_core.benchmark.limits import StepWork
from kveraser_core.documents.spans import Span

QUESTION = "What does the document say at its beginning?"
DECODED = 32
"""Tokens decoded after the first one; the end token does not stop them."""
HEADROOM = 256
"""Slots that a contender needs after the context for the question and its answer."""


@dataclass(frozen=True)
class Sample:
    """One erase, alone, and one with the answer to a question; `work` is what they need, where known.

    `ttft_s` counts from the request to erase to the first token of the answer.
    """

    erase_s: float
    ttft_s: float
    decode_tokens_per_s: float
    token_ids: list[int]
    work: StepWork | None = None


class Contender(ABC):
    """One program with one or more ways to erase a span from the context that it has read.

    `same_weights` says that it runs the model's weights in the same dtype, so that the same limits hold;
    `owns_context` that it keeps the context in memory once, so that a run's peak memory stands for its use.
    """

    program: str
    ways: Sequence[str]
    same_weights = True
    owns_context = True

    @abstractmethod
    def prepare(self, ids: Sequence[int]) -> str:
        """Warm up and choose the fastest settings on the tokens `ids`; returns what runs and how, in a phrase."""

    @abstractmethod
    def read(self, ids: Sequence[int]) -> float:
        """Read a context in place of the last one; returns the seconds it took."""

    @abstractmethod
    def run(self, way: str, span: Span) -> Sample:
        """Erase the slots `span` as `way` says and answer the question; the context is whole again after it."""

    @abstractmethod
    def free(self) -> None:
        """Give the context's memory back."""
