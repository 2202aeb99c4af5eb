"""Questions as tokens, and whether they fit after a document."""

from collections.abc import Sequence
from dataclasses import replace

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.errors import KVEraserError
from kveraser_core.model.generation import Sampling
from kveraser_core.model.prompts import Prompt, Role, Turn


class QuestionError(KVEraserError):
    """A question that is empty or does not fit after the document."""


def tokens_of(question: str, history: Sequence[Turn], prompt: Prompt, last: Role, room: int) -> list[int]:
    """The token ids of `question`, after earlier turns, for which there are `room` slots.

    The context ends with a text of the role `last`. Raises `QuestionError`.
    """
    if not question.strip():
        raise QuestionError("The question is empty: type what you want to know.")
    ids = prompt.question_ids(question.strip(), history, last)
    if len(ids) >= room:
        raise QuestionError(
            f"The question with its earlier turns has {len(ids):,} tokens and there is room for "
            f"{room - 1:,}: ask a shorter one or leave the earlier turns out."
        )
    return ids


def fitted(sampling: Sampling | None, cache: EditableCache, question_tokens: int) -> Sampling:
    """`sampling`, one sentence if it is `None`, with no more answer tokens than there is room for in `cache`.

    Raises `QuestionError` where there is room for none.
    """
    wanted = sampling or Sampling(loops=False, brief=True)
    room = cache.capacity - cache.length - question_tokens + 1
    if room < 1:
        raise QuestionError("There is no room left for an answer: ask a shorter question.")
    return replace(wanted, max_tokens=min(wanted.max_tokens, room))
