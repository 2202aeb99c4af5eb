"""How good the model's own answers are, nothing erased, and whether the passages shown with them hold the answer.

Each question is asked over its own paragraph. The passages are looked for in its whole article.
"""

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from kveraser_core.documents.document import Document
from kveraser_core.documents.similar.evidence import EvidenceFinder
from kveraser_core.evaluation.metrics import contains, f1, interval, repeats_itself
from kveraser_core.evaluation.runner import RESULTS, read_results
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Sampling
from kveraser_core.model.provenance import check_same, provenance
from kveraser_core.sessions.session import DocumentSession
from kveraser_core.tasks.document_qa import Asked, QuestionFile

_SHOWN = 3


@dataclass(frozen=True)
class Rated:
    """An answer to a question, and which of the passages shown with it holds the gold one, from 1; 0 for none."""

    question: str
    gold: str
    answer: str
    tokens: int
    right: bool
    f1: float
    loop: bool
    passage: int


def rate_answers(
    backbone: Backbone,
    questions: QuestionFile,
    count: int,
    seed: int,
    sampling: Sampling,
    out: Path,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Ask `count` questions, drawn with `seed`, and append to `results.jsonl` in `out`; those there are skipped.

    `report` gets the questions done and their total. Raises `OtherResults` where `out` holds those of another run.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, origin = out / RESULTS, provenance(backbone, seed) | {"brief": sampling.brief}
    before = read_results(path)
    for row in before:
        check_same(out, row, origin)
    done = {(row["question"], row["gold"]) for row in before}
    drawn = random.Random(seed).sample(questions.items, min(count, len(questions.items)))  # noqa: S311
    finders = {number: EvidenceFinder("\n\n".join(article)) for number, article in enumerate(questions.articles)}
    asked = 0
    for paragraph, items in groupby(sorted(drawn, key=lambda item: item.paragraph), lambda item: item.paragraph):
        left = [item for item in items if (item.question, item.answer) not in done]
        session = DocumentSession.load(backbone, Document(paragraph, "paragraph")) if left else None
        for item in left:
            assert session
            answer = session.ask(item.question, "none", sampling=sampling)
            rated = _rated(item, answer.text, len(answer.token_ids), finders[item.article])
            with path.open("a") as file:
                file.write(json.dumps(asdict(rated) | origin, ensure_ascii=False) + "\n")
            asked += 1
            report(len(done) + asked, len(drawn))


def _rated(item: Asked, answer: str, tokens: int, finder: EvidenceFinder) -> Rated:
    found = finder.find(item.question, answer, most=_SHOWN).passages
    holds = [rank for rank, passage in enumerate(found, 1) if contains(passage.text, item.answer)]
    return Rated(
        question=item.question,
        gold=item.answer,
        answer=answer,
        tokens=tokens,
        right=contains(answer, item.answer),
        f1=f1(answer, item.answer),
        loop=repeats_itself(answer),
        passage=holds[0] if holds else 0,
    )


def write_answer_report(rows: list[dict[str, Any]], command: str, out: Path) -> None:
    """Write `report.md` into `out`."""
    shares = {
        "right words": [row["right"] for row in rows],
        "F1": [row["f1"] for row in rows],
        "the answer is in the first passage shown": [row["passage"] == 1 for row in rows],
        f"it is in one of {_SHOWN}": [row["passage"] > 0 for row in rows],
        "loops": [row["loop"] for row in rows],
        "tokens of an answer": [row["tokens"] for row in rows],
    }
    lines = ["# Answers", "", f"`{command}`", "", f"{len(rows)} questions, means with 95% bootstrap intervals.", ""]
    lines += ["| figure | mean |", "| --- | --- |"]
    lines += [
        f"| {name} | {mean:.2f} ({low:.2f} to {high:.2f}) |"
        for name, values in shares.items()
        for mean, low, high in [interval(values)]
    ]
    (out / "report.md").write_text("\n".join(lines) + "\n")
