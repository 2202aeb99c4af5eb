"""A corpus and a question file to train on."""

import json

import pytest

from kveraser_core.tasks.corpus import Corpus
from tests.training.texts import prose


@pytest.fixture
def corpus(llama, tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.txt").write_text(prose(seed))
    return Corpus(llama, [folder])


@pytest.fixture
def squad(tmp_path):
    articles = []
    for number in range(4):
        paragraphs = []
        for part in range(3):
            answer = f"{1800 + 10 * number + part}"
            context = (
                f"{prose(10 * number + part, 3)} The pier {number}-{part} was built in {answer}. {prose(part, 2)}"
            )
            asked = {
                "id": f"{number}{part}",
                "question": f"When was the pier {number}-{part} built?",
                "answers": [{"text": answer, "answer_start": context.index(answer)}],
            }
            paragraphs.append({"context": context, "qas": [asked]})
        articles.append({"title": str(number), "paragraphs": paragraphs})
    path = tmp_path / "qa.json"
    path.write_text(json.dumps({"version": "test", "data": articles}))
    return path
