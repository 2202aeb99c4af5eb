"""A context that is nearly full: what has no room says so, and takes nothing else with it."""

from contextlib import suppress

import pytest

from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span
from kveraser_core.model.generation import Sampling
from kveraser_core.sessions.questions import QuestionError
from kveraser_core.sessions.segments import NoRoomToAppend
from kveraser_core.sessions.session import DocumentSession
from kveraser_core.sessions.window import TooMuchText
from tests.tiny import TEXT


@pytest.fixture
def session(llama):
    return DocumentSession.load(llama, Document(TEXT, "harbour.txt"), exact_soon=False)


def fill(session, text):
    with suppress(NoRoomToAppend):
        while True:
            session.append(text)


def test_an_answer_that_a_method_has_no_room_to_be_measured_by_leaves_the_comparison_whole(session):
    """Full recompute drops the erased slots, and so has room for a longer answer than the others."""
    fill(session, "Fishing boats pay nothing. ")
    session.erase([Span(80, 240)])
    question = "Who? " * 34
    left, exact = session.compare(question, ["delete_shift", "full_recompute"], sampling=Sampling(max_tokens=96))
    assert len(exact.token_ids) > len(left.token_ids)
    assert (left.error, left.kl, exact.kl) == (None, None, 0.0)


def test_a_method_without_room_for_an_answer_fails_alone(session):
    fill(session, "Fishing boats pay nothing. ")
    session.erase([Span(0, 20), Span(60, 90), Span(120, 150), Span(200, 230)])
    free = session._context.headroom
    words = "Who? "
    while len(session.question_ids(words + "Who? ")) < free - 20:
        words += "Who? "
    answers = {
        one.method: one
        for one in session.compare(words, ["erratum", "delete_shift"], sampling=Sampling(max_tokens=2))
    }
    assert isinstance(answers["erratum"].error, QuestionError)
    assert answers["delete_shift"].error is None


def test_a_change_is_not_made_again_where_the_context_has_grown_meanwhile(session):
    session.replace([Span(0, 5)], "nine gold bars " * 30)
    session.undo()
    fill(session, "Fishing boats pay nothing. " * 4)
    before = session.kept_ids
    with pytest.raises(TooMuchText, match="there is room for"):
        session.redo()
    assert (session.spans, session.kept_ids) == ([], before)
    assert session.ask("Who?", sampling=Sampling(max_tokens=2)).error is None
