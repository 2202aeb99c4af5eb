"""Document QA with a factual distractor: the sentence with the answer, rewritten to say something else."""

import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

from kveraser_core.errors import KVEraserError
from kveraser_core.model.backbone import Backbone
from kveraser_core.tasks.examples import Example, Insert, Question, assemble

TASK = "document_qa"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")


class QuestionsError(KVEraserError):
    """A question file that is not in SQuAD format or has nothing to use."""


@dataclass(frozen=True)
class Asked:
    """A question of a file: the number of its article, its paragraph, its answer, and the sentence that holds it."""

    article: int
    paragraph: str
    question: str
    answer: str
    sentence: str


class QuestionFile:
    """The questions of some articles of a file in SQuAD v1.1 format."""

    def __init__(self, backbone: Backbone, path: str | Path, articles: slice = slice(None)) -> None:
        """`articles` selects by their order in the file. Raises `QuestionsError`."""
        self.backbone = backbone
        self.name = Path(path).name
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))["data"][articles]
            self.articles = [[paragraph["context"] for paragraph in article["paragraphs"]] for article in data]
            self.items = [
                Asked(number, paragraph["context"], entry["question"], answer["text"], sentence)
                for number, article in enumerate(data)
                for paragraph in article["paragraphs"]
                for entry in paragraph["qas"]
                for answer in entry["answers"][:1]
                if (sentence := _sentence(paragraph["context"], answer["answer_start"], answer["text"]))
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise QuestionsError(f"{path} is not a question file: give one in SQuAD v1.1 format.") from error
        if not self.items:
            raise QuestionsError(f"{path} has no question with an answer in these articles.")

    def distractor(self, rng: random.Random, item: Asked) -> tuple[str, str] | None:
        """The answer's sentence with another answer of the same kind, and that answer."""
        kind = _kind(item.answer)
        others = [
            other.answer
            for other in self.items
            if _kind(other.answer) == kind and other.answer.lower() not in item.paragraph.lower()
        ]
        if not others:
            return None
        wrong = rng.choice(others)
        return item.sentence.replace(item.answer, wrong), wrong


def document_qa(file: QuestionFile, rng: random.Random, tokens: int, spans: int = 1, questions: int = 3) -> Example:
    """Paragraphs of about `tokens` tokens around one with questions, `spans` of them contradicted.

    A distractor stands before, inside, right after or far from the paragraph that it contradicts.
    """
    tokenize = file.backbone.tokenize
    asked: list[Question] = []
    inserts: list[tuple[int, list[int]]] = []
    main = rng.choice(file.items)
    around = [item for item in file.items if item.paragraph == main.paragraph]
    paragraphs = _packed(file, rng, main.paragraph, tokens)
    ids: list[int] = []
    starts: list[int] = []
    for paragraph in paragraphs:
        starts.append(len(ids))
        ids += tokenize(paragraph + "\n\n")[0]
    home = starts[paragraphs.index(main.paragraph)]
    end = home + len(tokenize(main.paragraph)[0])
    for item in rng.sample(around, min(questions, len(around))):
        changed = file.distractor(rng, item) if len(inserts) < spans else None
        if changed:
            sentence, wrong = changed
            place = rng.choice([home, end, _inside(file, item, home), rng.choice([*starts, len(ids)])])
            if place not in [at for at, _ in inserts]:
                inserts.append((place, tokenize(f" {sentence} " if place != home else f"{sentence} ")[0]))
                asked.append(Question(item.question, item.answer, wrong))
                continue
        asked.append(Question(item.question, item.answer))
    return assemble(TASK, ids, [Insert(at, span, True) for at, span in inserts], asked)


def _packed(file: QuestionFile, rng: random.Random, main: str, tokens: int) -> list[str]:
    """`main` among other paragraphs, its own article's first, of about `tokens` tokens together."""
    own = next(article for article in file.articles if main in article)
    rest = [paragraph for paragraph in own if paragraph != main]
    others = [paragraph for article in file.articles if article is not own for paragraph in article]
    rng.shuffle(rest)
    rng.shuffle(others)
    chosen, size = [main], len(file.backbone.tokenize(main)[0])
    for paragraph in [*rest, *others]:
        more = len(file.backbone.tokenize(paragraph)[0]) + 1
        if size + more <= tokens:
            chosen.append(paragraph)
            size += more
        if size > tokens - 60:
            break
    rng.shuffle(chosen)
    return chosen


def _inside(file: QuestionFile, item: Asked, home: int) -> int:
    """The offset right after the sentence that holds the answer."""
    upto = item.paragraph.index(item.sentence) + len(item.sentence)
    return home + len(file.backbone.tokenize(item.paragraph[:upto])[0])


def _sentence(paragraph: str, start: int, answer: str) -> str | None:
    """The sentence of `paragraph` that holds `answer` at `start`, if that is one sentence."""
    at = 0
    for sentence in _SENTENCE_END.split(paragraph):
        at = paragraph.index(sentence, at)
        if at <= start and start + len(answer) <= at + len(sentence):
            return sentence
        at += len(sentence)
    return None


def _kind(answer: str) -> str:
    """A coarse kind of answer, by its form: how it is counted, dated, named or described."""
    if re.fullmatch(r"[\d.,]+", answer):
        return "year" if re.fullmatch(r"1\d{3}|20\d{2}", answer) else "number"
    if re.search(r"\d", answer):
        return "quantity"
    words = answer.split()
    if all(word[:1].isupper() for word in words):
        return "name" if len(words) > 1 else "single name"
    return "phrase" if len(words) > 3 else "term"
