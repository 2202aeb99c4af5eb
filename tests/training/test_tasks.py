"""Examples to train and measure on, one task after the other."""

import random

import pytest

from kveraser_core.documents.spans import Span
from kveraser_core.tasks.corpus import Corpus, CorpusError
from kveraser_core.tasks.document_qa import QuestionFile, QuestionsError, document_qa
from kveraser_core.tasks.examples import Insert, assemble
from kveraser_core.tasks.held_out import held_out
from kveraser_core.tasks.needle import needle
from kveraser_core.tasks.skill_file import skill_file
from kveraser_core.tasks.span_neighbour import span_neighbour
from tests.training.texts import prose


def erased(backbone, example):
    return [backbone.text_of(example.ids[span.start : span.end]) for span in example.spans]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("spans", [1, 3])
def test_span_neighbour_puts_foreign_text_into_a_passage(corpus, seed, spans):
    example = span_neighbour(corpus, random.Random(seed), 400, spans)
    assert len(example.spans) == spans
    assert 300 <= len(example.ids) <= 420
    kept = corpus.backbone.text_of(example.kept_ids)
    whole = [corpus.backbone.text_of(text) for text in corpus.texts]
    assert any(kept in text for text in whole)
    assert all(any(chunk in text for text in whole) for chunk in erased(corpus.backbone, example))
    assert all(question.answer in kept for question in example.questions)
    assert all(question.accept in " ".join(question.answer.split()) for question in example.questions)
    assert all(1 <= len(question.accept.split()) <= 4 for question in example.questions)


def test_span_neighbour_reaches_the_very_start_and_the_very_end(corpus):
    examples = [span_neighbour(corpus, random.Random(seed), 300) for seed in range(60)]
    assert any(example.spans[0].start == 0 for example in examples)
    assert any(example.spans[0].end == len(example.ids) for example in examples)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("spans", [1, 2])
def test_a_needle_is_contradicted_inside_its_span_only(corpus, seed, spans):
    example = needle(corpus, random.Random(seed), 600, spans, unanswered=0.0)
    kept, lies = corpus.backbone.text_of(example.kept_ids), erased(corpus.backbone, example)
    assert len(lies) == spans
    for question in example.questions[:spans]:
        assert question.answer in kept
        assert question.accept in question.answer
        assert question.answer.replace(question.accept, question.forbidden) not in kept
        assert any(question.answer.replace(question.accept, question.forbidden) in lie for lie in lies)


def test_some_needles_are_said_nowhere_but_in_the_span(corpus):
    example = needle(corpus, random.Random(1), 500, unanswered=1.0)
    question = example.questions[0]
    assert question.answer not in corpus.backbone.text_of(example.kept_ids)
    assert question.answer in erased(corpus.backbone, example)[0]


@pytest.mark.parametrize("number", range(8))
def test_a_replaced_fact_is_said_as_it_is_now(corpus, number):
    example = held_out("replace", corpus, None, 500, number, 0)
    kept, (old,) = corpus.backbone.text_of(example.kept_ids), erased(corpus.backbone, example)
    (question,) = example.questions
    assert question.answer in kept
    assert bool(question.forbidden) == (number % 2 == 0)  # else it is about the other fact
    if question.forbidden:
        assert question.answer.replace(question.accept, question.forbidden) == old.strip()
        assert old not in kept
    assert len(example.kept_ids) == len(example.ids) - len(example.spans[0]) + len(example.new[0])


@pytest.mark.parametrize("seed", range(8))
def test_a_malicious_skill_is_in_its_span_only(corpus, seed):
    example = skill_file(corpus, random.Random(seed), 700)
    kept, (lie,) = corpus.backbone.text_of(example.kept_ids), erased(corpus.backbone, example)
    question = example.questions[0]
    assert question.forbidden in lie
    assert question.forbidden not in kept
    assert f"Skill: {question.answer}\n" in kept


@pytest.mark.parametrize("seed", range(8))
def test_a_distractor_is_the_answers_sentence_with_another_answer(llama, squad, seed):
    file = QuestionFile(llama, squad, slice(0, 3))
    assert len(file.items) == 9
    example = document_qa(file, random.Random(seed), 500)
    kept, lies = llama.text_of(example.kept_ids), erased(llama, example)
    question = example.questions[0]
    assert question.answer in kept
    assert len(lies) == 1
    pier = question.text.removeprefix("When was the ").removesuffix(" built?")
    assert f"The {pier} was built in {question.forbidden}." in lies[0]
    assert f"The {pier} was built in {question.answer}." in kept
    assert question.forbidden != question.answer
    assert not lies[0].count(question.answer)


def test_what_cannot_be_trained_on_is_refused(llama, tmp_path):
    with pytest.raises(CorpusError, match="no file or folder"):
        Corpus(llama, [tmp_path / "absent"])
    with pytest.raises(CorpusError, match="too little text"):
        Corpus(llama, [tmp_path])
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    with pytest.raises(QuestionsError, match="SQuAD"):
        QuestionFile(llama, bad)
    (tmp_path / "a.txt").write_text(prose(0))
    short = Corpus(llama, [tmp_path / "a.txt"])
    with pytest.raises(CorpusError, match="longer texts"):
        short.passage(random.Random(0), 10**6)


def test_assemble_by_hand():
    made = assemble("t", [1, 2, 3, 4], [Insert(4, [9], True), Insert(1, [7, 8], True), Insert(1, [5], False)], [])
    assert made.ids == [1, 7, 8, 5, 2, 3, 4, 9]
    assert made.spans == (Span(1, 3), Span(7, 8))
    assert made.kept_ids == [1, 5, 2, 3, 4]
