"""The edit in force, and the answers that are given from it."""

from dataclasses import dataclass

from kveraser_core.errors import KVEraserError
from kveraser_core.methods import REFERENCE, get_method
from kveraser_core.methods.apply import EditedCache
from kveraser_core.model.generation import Generated
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.edited_spans import Edits


class NoCache(KVEraserError):
    """A method whose cache does not stand for the tokens that are not erased."""


@dataclass(frozen=True)
class ActiveEdit:
    """What was asked for, and the cache that it gave.

    It took `seconds`, without a step that is `fused` with a question's prefill.
    """

    method: str
    edits: Edits
    edited: EditedCache
    seconds: float
    fused: bool

    def check_closed(self) -> None:
        """Raise `NoCache` unless the cache stands for the edited text."""
        if not self.edited.closed:
            raise NoCache(
                f"{self.method} leaves no cache of just what is not erased: name a method that erases and closes the "
                "gap, such as local_repair."
            )

    def answer(
        self,
        question: str,
        generated: Generated,
        fused: bool = False,
        agreed: float | None = None,
        kl: float | None = None,
    ) -> Answer:
        """What was answered; the last step of the edit went through the model with this question if `fused`."""
        return Answer(
            method=self.method,
            ran=self.method if self.edited.method == get_method(self.method).name else self.edited.method,
            question=question,
            text=generated.text.strip(),
            token_ids=tuple(generated.token_ids),
            finished=generated.finished,
            erase_s=None if self.fused else self.seconds,
            question_prefill_s=generated.question_prefill_s + (self.seconds if fused else 0),
            first_token_s=generated.first_token_s,
            decode_s=generated.decode_s,
            decode_tokens_per_s=generated.decode_tokens_per_s,
            extra_bytes=self.edited.extra_bytes,
            agreement=agreed,
            kl=kl,
            exact=not self.edits or self.edited.method == REFERENCE,
        )
