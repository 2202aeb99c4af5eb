"""The held-out examples: the training tasks on other text, and one where nothing has to be fought."""

import random
from collections.abc import Sequence
from dataclasses import replace

from kveraser_core.errors import KVEraserError
from kveraser_core.tasks import document_qa, needle, replaced_fact, skill_file, span_neighbour
from kveraser_core.tasks.corpus import Corpus
from kveraser_core.tasks.document_qa import QuestionFile
from kveraser_core.tasks.examples import Example, Insert, Question, assemble

HARMLESS = "harmless"
TASKS = (span_neighbour.TASK, needle.TASK, document_qa.TASK, skill_file.TASK, HARMLESS, replaced_fact.TASK)


class UnknownTask(KVEraserError):
    """A name that no task has, or a task that lacks its data."""


def held_out(
    task: str, corpus: Corpus, question_file: QuestionFile | None, tokens: int, number: int, seed: int
) -> Example:
    """Example `number` of `task` with one span, one question and about `tokens` tokens; it follows from `seed`."""
    rng = random.Random(f"held-out/{seed}/{task}/{tokens}/{number}")  # noqa: S311
    if task == span_neighbour.TASK:
        example = span_neighbour.span_neighbour(corpus, rng, tokens, questions=2)
    elif task == needle.TASK:
        example = needle.needle(corpus, rng, tokens, unanswered=0.0)
    elif task == skill_file.TASK:
        example = skill_file.skill_file(corpus, rng, tokens)
    elif task == replaced_fact.TASK:
        example = replaced_fact.replaced_fact(corpus, rng, tokens)
        return replace(example, questions=(example.questions[number % 2],))  # about the fact, or about another
    elif task == HARMLESS:
        example = _harmless(corpus, rng, tokens)
    elif task == document_qa.TASK and question_file:
        example = document_qa.document_qa(question_file, rng, tokens)
        while not example.spans:
            example = document_qa.document_qa(question_file, rng, tokens)
    else:
        raise UnknownTask(f"There is no task {task!r} or no data for it: use one of {', '.join(TASKS)}.")
    return Example(task, example.ids, example.spans, _asked(example))


def check_tasks(names: Sequence[str], question_file: QuestionFile | None) -> None:
    """Raise `UnknownTask` unless every name is a task whose data is there."""
    for name in names:
        if name not in TASKS:
            raise UnknownTask(f"There is no task {name!r}: use one of {', '.join(TASKS)}.")
        if name == document_qa.TASK and question_file is None:
            raise UnknownTask("document_qa needs questions: give a SQuAD-format file with --qa.")


def _asked(example: Example) -> tuple[Question, ...]:
    """The question that the erased span contradicts, or the first."""
    return (next((question for question in example.questions if question.forbidden), example.questions[0]),)


def _harmless(corpus: Corpus, rng: random.Random, tokens: int) -> Example:
    """Prose from which an unrelated passage is erased, and a question about a needle elsewhere."""
    asked = needle.needle(corpus, rng, tokens, unanswered=0.0)
    question = asked.questions[-1]
    text = asked.kept_ids
    start = rng.choice(corpus.boundaries(text)[:-1] or [0])
    length = min(rng.randint(40, 120), len(text) - start - 1)
    span = text[start : start + length]
    if question.accept in corpus.backbone.text_of(span):
        return _harmless(corpus, rng, tokens)
    return assemble(HARMLESS, text[:start] + text[start + length :], [Insert(start, span, True)], [question])
