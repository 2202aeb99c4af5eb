"""Which examples a training run sees: a mixture of tasks, drawn anew for every step from the seed."""

import random
from dataclasses import dataclass, field

from kveraser_core.tasks import document_qa, needle, skill_file, span_neighbour
from kveraser_core.tasks.corpus import Corpus
from kveraser_core.tasks.document_qa import QuestionFile
from kveraser_core.tasks.examples import Example

PRETRAIN = {span_neighbour.TASK: 1.0}
FINETUNE = {span_neighbour.TASK: 0.4, needle.TASK: 0.25, document_qa.TASK: 0.2, skill_file.TASK: 0.15}


@dataclass(frozen=True)
class Mixture:
    """Examples of several tasks in the proportions `shares`, of `shortest` to `longest` tokens.

    Short contexts are more frequent than long ones (lengths are uniform in the logarithm); one context
    in four has two or three spans.
    """

    corpus: Corpus
    question_file: QuestionFile | None = None
    shares: dict[str, float] = field(default_factory=lambda: dict(PRETRAIN))
    shortest: int = 200
    longest: int = 700

    def example(self, rng: random.Random) -> Example:
        """The next example of `rng`."""
        task = rng.choices(list(self.shares), list(self.shares.values()))[0]
        tokens = round(self.shortest * (self.longest / self.shortest) ** rng.random())
        spans = rng.choice((1, 1, 1, 1, 1, 1, 2, 3)) if tokens >= 300 else 1
        return make_example(task, self.corpus, self.question_file, rng, tokens, spans)


def make_example(
    task: str,
    corpus: Corpus,
    question_file: QuestionFile | None,
    rng: random.Random,
    tokens: int,
    spans: int = 1,
) -> Example:
    """One example of the task called `task`; `document_qa` needs a question file."""
    if task == document_qa.TASK:
        if question_file is None:
            raise ValueError("document_qa needs a question file")
        example = document_qa.document_qa(question_file, rng, tokens, spans)
        return example if example.spans else make_example(task, corpus, question_file, rng, tokens, spans)
    made = {
        span_neighbour.TASK: span_neighbour.span_neighbour,
        needle.TASK: needle.needle,
        skill_file.TASK: skill_file.skill_file,
    }
    return made[task](corpus, rng, tokens, spans)
