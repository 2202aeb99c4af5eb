"""One question answered by several methods, one after the other, and how close they come to the reference."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from kveraser_core.cache.layer import CacheFull
from kveraser_core.errors import KVEraserError
from kveraser_core.methods import REFERENCE
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Generated, Sampling, agreement, answer_logits, generate
from kveraser_core.sessions.active_edit import ActiveEdit
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.questions import fitted


def compared(
    backbone: Backbone,
    names: Sequence[str],
    applied: Callable[[str], ActiveEdit],
    question: str,
    prompt_ids: Sequence[int],
    sampling: Sampling | None,
) -> Iterator[Answer]:
    """The answers of the methods called `names`, each from the edit that `applied` makes by it.

    Full recompute takes by far the longest and comes last. After it the others come again, measured against it along
    its answer: for that their edits are made once more. A method that cannot be used gives an `Answer` with its
    `error`; one after which there is no room for full recompute's answer is not measured.
    """
    answers = dict[str, Answer]()
    for name in sorted(dict.fromkeys(names), key=lambda name: name == REFERENCE):
        try:
            active = applied(name)
            cache = active.edited.cache
            *_, generated = generate(backbone, cache, prompt_ids, fitted(sampling, cache, len(prompt_ids)))
        except KVEraserError as error:
            yield Answer(name, question, error=error)
            continue
        assert isinstance(generated, Generated)
        answers[name] = active.answer(question, generated)
        if name == REFERENCE:
            expected = answer_logits(backbone, cache, prompt_ids, generated.token_ids)
            answers[name] = replace(answers[name], agreement=1.0, kl=0.0)
        yield answers[name]
    reference = answers.pop(REFERENCE, None)
    if reference is None:
        return
    for answer in answers.values():
        with suppress(CacheFull):
            logits = answer_logits(backbone, applied(answer.method).edited.cache, prompt_ids, reference.token_ids)
            agreed, kl = agreement(expected, logits)
            yield replace(answer, agreement=agreed, kl=kl)
