"""What a comparison says of each answer: whether it still has what was erased."""

import pytest

from app.verdicts import Judge, Verdict
from app.workspace import Comparison
from kveraser_core.documents.spans import Span
from kveraser_core.errors import KVEraserError
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.edited_spans import EditedSpan

OLD, NEW = "An old rule says 14 silver coins.", "The toll is 30 copper coins."
TEXT = f"{OLD} {NEW}"
ERASED = (EditedSpan(Span(0, len(OLD)), OLD, 8),)
REFERENCE = Answer("full_recompute", "q", "The toll is 30 coins.")


def judged(text, edits=ERASED, method="mask", question="What is the toll?", reference=REFERENCE):
    answer = Answer(method, question, text)
    return Judge(Comparison(question, edits, [reference, answer]), TEXT).verdict(answer)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is 14 coins.", Verdict("v_still", ("14",))),
        ("14 Silver coins, so 14.", Verdict("v_still", ("14", "silver"))),
        ("The toll is 30 coins", Verdict("v_same")),
        ("It is 30 copper coins.", Verdict("v_other")),
        ("Coins.", Verdict("v_other")),
        ("", Verdict("v_other")),
    ],
)
def test_an_answer_is_judged_by_words_that_only_the_erased_passage_has(text, said):
    assert judged(text) == said


def test_words_are_shown_as_the_answer_writes_them():
    old = "The account is 9988-13."
    edits = (EditedSpan(Span(0, len(old)), old, 8),)
    answer = Answer("mask", "q", "It is 9988-13, or 13.")
    judge = Judge(Comparison("q", edits, [REFERENCE, answer]), f"{old} {NEW}")
    assert judge.verdict(answer) == Verdict("v_still", ("9988-13", "13"))


def test_what_the_document_gives_elsewhere_too_is_not_praised():
    """Full recompute says it as well: it was not erased there."""
    again = f"{TEXT} By the old rule it is 14 coins."
    edits, reference = ERASED, Answer("full_recompute", "q", "It is 14 coins.")
    answer = Answer("mask", "q", "It is 14 coins.")
    judge = Judge(Comparison("What is the toll?", edits, [reference, answer]), again)
    assert judge.verdict(answer) == Verdict("v_elsewhere", ("14",))


def test_words_of_the_question_and_of_full_recompute_tell_nothing():
    assert judged("It is 14.", question="Is it 14?") == Verdict("v_other")
    knows = Answer("full_recompute", "q", "It may be 14.")
    assert judged("It is 14.", reference=knows) == Verdict("v_other")


def test_with_nothing_erased_the_same_answer_says_that_the_passage_makes_no_difference():
    assert judged("The toll is 30 coins.", method="none") == Verdict("v_unchanged")
    assert judged("It is 14.", method="none") == Verdict("v_still", ("14",))


def test_new_text_in_the_place_of_a_passage_was_not_erased():
    replaced = (EditedSpan(Span(0, len(OLD)), OLD, 8, "A rule says 14 iron coins."),)
    assert judged("It is 14 iron coins.", replaced) == Verdict("v_other")
    assert judged("It is silver.", replaced) == Verdict("v_still", ("silver",))


def test_nothing_is_said_of_the_reference_nor_without_one_nor_without_an_edit():
    assert judged("The toll is 30 coins.", method="full_recompute") is None
    assert judged("It is 14.", ()) is None
    failed = Answer("full_recompute", "q", error=KVEraserError("No room."))
    assert judged("It is 14.", reference=failed) is None
