"""Questions as tokens, and whether they fit after a document."""

from collections.abc import Sequence
from dataclasses import replace

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.errors import KVEraserError
from kveraser_core.model.generation import Sampling
from kveraser_core.model.prompts import Prompt, Turn


class QuestionError(KVEraserError):
    """A question that is empty or does not fit after the document."""


def tokens_of(question: str, history: Sequence[Turn], prompt: Prompt, room: int) -> list[int]:
    """The token ids of `question`, after earlier turns, for which there are `room` slots. Raises `QuestionError`."""
    if not question.strip():
        raise QuestionError("The question is empty: type what you want to know.")
    ids = prompt.question_ids(question.strip(), history)
    if len(ids) >= room:
        raise QuestionError(
            f"The question with its earlier turns has {len(ids):,} tokens and there is room for "
            f"{room - 1:,}: ask a shorter one or leave the earlier turns out."
        )
    return ids


def fitting(sampling: Sampling | None, cache: EditableCache, prompt_ids: Sequence[int]) -> Sampling:
    """`sampling` with no more answer tokens than `cache` has room for after a question. Raises `QuestionError`."""
    wanted = sampling or Sampling()
    room = cache.capacity - cache.length - len(prompt_ids) + 1
    if room < 1:
        raise QuestionError("There is no room left for an answer: ask a shorter question.")
    return replace(wanted, max_tokens=min(wanted.max_tokens, room))
