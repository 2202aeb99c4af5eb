import json

import pytest

from kveraser_core.evaluation.answer_quality import rate_answers, write_answer_report
from kveraser_core.evaluation.runner import RESULTS, read_results
from kveraser_core.model.generation import Sampling
from kveraser_core.model.provenance import OtherResults
from kveraser_core.sessions import session
from kveraser_core.tasks.document_qa import QuestionFile

FIRST = "The harbour office opens at nine. The toll is thirty coins for every ship."
SECOND = "The lamp on the pier burns whale oil all night. A pilot keeps it."
ASKED = [
    (FIRST, "How much is the toll?", "thirty coins"),
    (FIRST, "When does the harbour office open?", "nine"),
    (SECOND, "What does the lamp burn?", "whale oil"),
]
SAID = {"How much is the toll?": "It is thirty coins.", "What does the lamp burn?": "Whale oil"}


@pytest.fixture
def questions(llama, tmp_path):
    entries = {text: [] for text, _, _ in ASKED}
    for text, question, answer in ASKED:
        entries[text].append(
            {"question": question, "answers": [{"text": answer, "answer_start": text.index(answer)}]}
        )
    paragraphs = [{"context": text, "qas": asked} for text, asked in entries.items()]
    file = tmp_path / "squad.json"
    file.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    return QuestionFile(llama, file)


@pytest.fixture
def answers(monkeypatch):
    """The model answers as is said, the rest with nonsense; the questions that it was asked."""
    asked = []
    plain = session.DocumentSession.ask

    def ask(self, question, *arguments, **options):
        asked.append((self.document.text, question))
        answer = plain(self, question, *arguments, **options)
        object.__setattr__(answer, "text", SAID.get(question, "twelve"))
        return answer

    monkeypatch.setattr(session.DocumentSession, "ask", ask)
    return asked


def test_answers_and_passages_are_rated_by_hand_and_a_stopped_run_goes_on(llama, questions, answers, tmp_path):
    out, sampling = tmp_path / "out", Sampling(max_tokens=2)
    rate_answers(llama, questions, 2, 0, sampling, out)
    rate_answers(llama, questions, 3, 0, sampling, out)
    assert sorted(answers) == sorted((text, question) for text, question, _ in ASKED)
    rows = {row["question"]: row for row in read_results(out / RESULTS)}
    assert {question: row["right"] for question, row in rows.items()} == {
        "How much is the toll?": True,
        "When does the harbour office open?": False,
        "What does the lamp burn?": True,
    }
    assert rows["How much is the toll?"]["f1"] == pytest.approx(2 / 3)  # 2 of 4 words, and both of 2
    assert rows["What does the lamp burn?"]["f1"] == 1
    assert [row["passage"] for row in rows.values()] == [1, 1, 1]
    write_answer_report(list(rows.values()), "command", out)
    report = (out / "report.md").read_text()
    assert "| right words | 0.67 (" in report
    assert "| the answer is in the first passage shown | 1.00 (1.00 to 1.00) |" in report


def test_results_of_another_form_of_answer_are_not_mixed(llama, questions, answers, tmp_path):
    rate_answers(llama, questions, 1, 0, Sampling(max_tokens=2), tmp_path / "out")
    with pytest.raises(OtherResults, match="another brief"):
        rate_answers(llama, questions, 1, 0, Sampling(max_tokens=2, brief=True), tmp_path / "out")
