"""A session whose passages are replaced, beside fresh contexts of the edited text."""

import pytest
import torch

from kveraser_core.documents import Document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.spans import Span, SpanError
from kveraser_core.methods import CannotReplace
from kveraser_core.model.generation import Generated, Sampling, generate
from kveraser_core.sessions.active_edit import NoCache
from kveraser_core.sessions.context import read_context
from kveraser_core.sessions.questions import QuestionError
from kveraser_core.sessions.session import DocumentSession
from kveraser_core.sessions.window import TooMuchText
from tests.tiny import TEXT

SHORT = Sampling(max_tokens=8)
QUESTION = "What is the toll?"
LONGER = "forty-two silver coins, to be paid in advance at the harbour office"


@pytest.fixture
def session(llama, save_adapter):
    folder = save_adapter()
    (folder / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 4}')
    llama.load_eraser(folder)
    return DocumentSession.load(llama, Document(TEXT, "harbour.txt"))


def states(session):
    return [tensor.clone() for layer in session._context.cache.editable for tensor in layer.filled()]


def same(left, right):
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def place(text):
    return find_text(TEXT, text)


def said(session):
    """What the document says after the edits."""
    return session.backbone.text_of(session.kept_ids[session._context.document_start :])


def test_only_what_was_named_is_replaced_whatever_its_tokens_hold(session):
    for old in ("irty", "thirty copper coins", "T", TEXT[5:40]):
        (span, *_) = place(old)
        session.replace([span], "NEW")
        assert said(session) == TEXT[: span.start] + "NEW" + TEXT[span.end :]
        (shown,) = session.spans
        rounded = shown.characters
        assert TEXT[rounded.start : span.start] + "NEW" + TEXT[span.end : rounded.end] == shown.new_text
        assert (shown.text, shown.tokens) == (TEXT[rounded.start : rounded.end], session.round_out([span])[0].tokens)
        assert session.undo()


def test_what_is_erased_stays_so_where_the_rest_of_its_token_is_replaced(session):
    (whole,) = place("fourteen")
    session.erase([Span(whole.start, whole.start + 3)])
    (gone,) = session.spans
    session.replace([Span(whole.start + 5, whole.end + 7)], "!")
    assert said(session) == TEXT[: gone.characters.start] + said_after(gone, whole, "!")
    assert all(gone.text[:3] not in shown.new_text for shown in session.spans)


def said_after(gone, whole, new):
    """What follows the erased token: what it has no part of, and `new` in the place of what was named."""
    start, end = whole.start + 5, whole.end + 7
    return TEXT[gone.characters.end : max(start, gone.characters.end)] + new + TEXT[end:]


def test_every_place_is_replaced_also_where_two_share_a_token(llama):
    text = TEXT + " aaaa" + "! and then ninety more." * 3
    session = DocumentSession.load(llama, Document(text, "a.txt"))
    session.replace(find_text(text, "a"), "oo")
    assert said(session) == text.replace("a", "oo").replace("A", "oo")
    with pytest.raises(SpanError, match="overlap"):
        session.replace([Span(3, 20), Span(10, 30)], "x")


def test_new_text_is_data(session):
    session.replace(place("thirty copper"), "<|im_end|>")
    assert 2 not in session.kept_ids[session._context.document_start :]  # the end token
    assert "<|im_end|>" in said(session)


@pytest.mark.parametrize("new", ["ten", LONGER])
def test_an_exact_answer_is_that_of_a_fresh_context_of_the_edited_text(session, new):
    session.replace(place("thirty copper coins"), new)
    session.erase(place("An old rule said that the toll is fourteen silver coins for every mast."))
    answer = session.ask(QUESTION, "full_recompute", sampling=SHORT)
    fresh = read_context(session.backbone, session.kept_ids[session._context.document_start :])
    *_, expected = generate(session.backbone, fresh.cache, fresh.prompt.question_ids(QUESTION), SHORT)
    assert isinstance(expected, Generated)
    assert answer.token_ids == tuple(expected.token_ids)


def test_edits_of_both_kinds_are_undone_and_redone_bit_for_bit(session):
    history = [states(session)]
    first, second, third = place("The harbour office"), place("thirty copper coins"), place("nothing")
    for change in (
        lambda: session.replace(first, LONGER),
        lambda: session.erase(second),
        lambda: session.replace(third, "two coins", "local_repair"),
        lambda: session.replace(second, LONGER),
    ):
        change()
        session.ask(QUESTION, sampling=SHORT)
        history.append(states(session))
    shown = session.spans
    for before in reversed(history[:-1]):
        assert session.undo()
        session.ask(QUESTION, sampling=SHORT)
        assert same(states(session), before)
    assert not session.undo()
    for after in history[1:]:
        assert session.redo()
        session.ask(QUESTION, sampling=SHORT)
        assert same(states(session), after)
    assert session.spans == shown
    session.restore_all()
    assert same(states(session), history[0])


def test_marked_text_goes_through_the_model_with_the_question(session):
    session.replace(place("harbour office"), LONGER, "kveraser_repair:3")
    expected = session.ask(QUESTION, "kveraser_repair:3", sampling=SHORT)
    session.undo()
    session.mark(place("harbour office"), LONGER)
    answer = session.ask(QUESTION, "kveraser_repair:3", sampling=SHORT)
    assert answer.erase_s is None
    assert answer.token_ids == expected.token_ids


def test_a_later_edit_has_the_last_word_on_its_own_characters(session):
    (toll,), (paid,) = place("thirty copper coins for a ship"), place("coins for a ship, paid at the quay")
    session.replace([toll], "ten")
    session.erase([paid])  # what is replaced is gone already, and its new text stays
    assert "The toll today is ten by noon." in said(session)
    with pytest.raises(SpanError, match="is replaced already"):
        session.replace([paid], "x")
    session.replace([Span(toll.start - 6, toll.end + 1)], "now twelve,")
    assert "The toll today is ten" not in said(session)
    assert "now twelve, by noon." in said(session)
    session.erase([Span(toll.start - 10, paid.end)])
    assert "twelve" not in said(session)
    assert [one.new_text for one in session.spans] == [""]
    session.replace([Span(toll.start, toll.start + 6)], "ten")
    assert [bool(one.new_text) for one in session.spans] == [False, True, False]
    session.restore(Span(toll.start, toll.start + 1))
    assert [bool(one.new_text) for one in session.spans] == [False, False]


def test_nothing_in_its_place_is_to_erase(session):
    session.replace(place("thirty copper coins"), "")
    replaced = session.spans
    session.restore_all()
    session.erase(place("thirty copper coins"))
    assert session.spans == replaced


def test_what_cannot_be_done_is_refused_and_nothing_is_changed(session):
    before = states(session)
    with pytest.raises(TooMuchText, match=r"tokens more than what it replaces, and there is room for [\d,]+ more"):
        session.replace(place("thirty"), "many words " * 400)
    with pytest.raises(CannotReplace, match="mask"):
        session.replace(place("thirty"), LONGER, "mask")
    assert session.spans == []
    assert not session.can_undo
    assert same(states(session), before)


def test_a_cache_that_still_holds_the_old_text_is_not_lent(session):
    """Also where the new text has as many tokens, so that the lengths do not tell."""
    (span,) = place("thirty copper coins")
    tokens = session.round_out([span])[0].tokens
    new = next(n for n in range(1, 60) if len(session.backbone.tokenize(" " + "x" * n)[0]) == tokens)
    session.replace([span], "x" * new)
    assert len(session.kept_ids) == session.tokens
    with pytest.raises(NoCache), session.cache("none"):
        pass
    with session.cache() as cache:
        assert list(cache.ids) == session.kept_ids


def test_the_lent_cache_of_a_longer_text_is_read_right_by_transformers(session):
    session.replace(place("thirty copper coins"), LONGER)
    expected = session.ask(QUESTION, sampling=SHORT)
    with session.cache() as cache:
        ids = torch.tensor([[*cache.ids, *session.question_ids(QUESTION)]])
        out = session.backbone.model.generate(ids, past_key_values=cache, max_new_tokens=8, do_sample=False)
    assert tuple(out[0, ids.shape[1] :].tolist()) == expected.token_ids


def test_new_text_leaves_less_room_for_questions(session):
    before = session._context.headroom
    session.replace(place("thirty"), LONGER)
    room = before - sum(edit.growth for edit in session._history.edits)
    fits = "x " * (room // 4)
    with pytest.raises(QuestionError, match=f"there is room for {room - 1:,}"):
        session.ask(fits * 8)
