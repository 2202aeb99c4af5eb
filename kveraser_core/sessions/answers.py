"""What a method answered and what it took, as data and as the figures people read."""

from dataclasses import dataclass

from kveraser_core.errors import KVEraserError
from kveraser_core.methods import REFERENCE

MEASURED = (
    "erase_s", "question_prefill_s", "first_token_s", "ttft_s", "decode_s", "decode_tokens_per_s",
    "agreement", "kl", "extra_bytes",
)  # fmt: skip
"""What `measured` gives, by name."""
FIGURES = ("erase s", "question s", "first token s", "tokens/s", "top-1", "KL", "extra MB")
"""What `figures` gives, in order."""


@dataclass(frozen=True)
class Answer:
    """What one method answered, and what it took.

    `ran` is the method that really ran: full recompute where `method` would have recomputed the whole suffix anyway.
    Seconds: `erase_s` for the erase, `question_prefill_s`, `first_token_s` and `decode_s` for the answer. Where the
    erase went through the model together with a question, `erase_s` is `None` and that question's second covers both.
    `exact` is whether the answer is what full recompute gives: it ran, or nothing was erased.
    `extra_bytes` is held besides the context's cache. `agreement` (share of equal top tokens) and `kl`
    (nats a token) compare with full recompute along its own answer, where that was part of a comparison.
    `error` says why, and the rest is empty, where the method could not be used.
    """

    method: str
    question: str
    text: str = ""
    token_ids: tuple[int, ...] = ()
    finished: bool = True
    erase_s: float | None = 0.0
    question_prefill_s: float = 0.0
    first_token_s: float = 0.0
    decode_s: float = 0.0
    decode_tokens_per_s: float | None = None
    extra_bytes: int = 0
    agreement: float | None = None
    kl: float | None = None
    error: KVEraserError | None = None
    ran: str = ""
    exact: bool = False

    @property
    def is_exact_anyway(self) -> bool:
        """Whether full recompute ran in place of a method that would have recomputed the whole suffix."""
        return self.ran == REFERENCE != self.method

    @property
    def failure(self) -> str | None:
        """The sentence of `error`, for files and programs."""
        return None if self.error is None else str(self.error)

    @property
    def ttft_s(self) -> float:
        """Seconds from the request to erase to the first token of the answer."""
        return (self.erase_s or 0.0) + self.question_prefill_s + self.first_token_s


def measured(answer: Answer) -> dict[str, float | int | None]:
    """The figures of `answer` by name, for files and programs: none where the method could not be used."""
    return {name: None if answer.error else getattr(answer, name) for name in MEASURED}


def figures(answer: Answer) -> list[str]:
    """The figures of `answer` as text, in the order of `FIGURES`; `-` where there is none."""

    def show(figure: float | None, form: str) -> str:
        return "-" if figure is None else format(figure, form)

    return [
        show(answer.erase_s, ".3f"),
        show(answer.question_prefill_s, ".3f"),
        show(answer.ttft_s, ".3f"),
        show(answer.decode_tokens_per_s, ".1f"),
        show(answer.agreement, ".2f"),
        show(answer.kl, ".4f"),
        show(answer.extra_bytes / 2**20, ".1f"),
    ]
