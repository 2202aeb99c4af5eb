"""One question answered by several methods, one after the other, and how close they come to the reference."""

from collections.abc import Callable, Iterator, Sequence

from kveraser_core.errors import KVEraserError
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Generated, Sampling, generate
from kveraser_core.sessions.active_edit import ActiveEdit
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.questions import fitted
from kveraser_core.sessions.scores import Scorer


def compared(
    backbone: Backbone,
    names: Sequence[str],
    applied: Callable[[str], ActiveEdit],
    question: str,
    prompt_ids: Sequence[int],
    sampling: Sampling | None,
) -> Iterator[Answer]:
    """The answers of the methods called `names`, each from the edit that `applied` makes by it.

    A method that cannot be used gives an `Answer` with its `error`.
    """
    scorer = Scorer(backbone, prompt_ids)
    for name in names:
        try:
            active = applied(name)
        except KVEraserError as error:
            yield Answer(name, question, error=error)
            continue
        cache = active.edited.cache
        *_, generated = generate(backbone, cache, prompt_ids, fitted(sampling, cache, len(prompt_ids)))
        assert isinstance(generated, Generated)
        yield active.answer(question, generated, False, *scorer.score(name, cache, generated.token_ids))
