"""Comparing: the cards and charts, and taking them away."""

import csv
import io
import json

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cards import cards, differing
from app.compare_panel import Comparing
from app.export import exported
from app.layout import lay_out
from app.method_choice import Chosen
from app.texts import PageError
from app.turns import Turns
from app.workspace import AskedTurn, Comparison
from kveraser_core.cache.layer import CacheFull
from kveraser_core.documents.spans import Span
from kveraser_core.model.backbone import MissingEraser
from kveraser_core.sessions.answers import Answer


def test_words_that_differ_are_marked_where_they_differ():
    pieces = differing("the toll is 30 coins today", "the toll is 14 silver coins today")
    assert pieces == [("the toll is ", False), ("30 ", True), ("coins today", False)]
    assert "".join(text for text, _ in differing("a  b\nc d", "x")) == "a  b\nc d"
    assert differing("same words", "same words") == [("same words", False)]


def test_what_is_taken_away_holds_everything_and_is_data_only(workspace):
    answer = Answer("mask", "=1+1?", "=SUM(A1) *bold*\n# not a heading", erase_s=0.5, kl=0.25)
    workspace.session.mark([Span(12, 20)])
    workspace.turns += [AskedTurn("How <b>much</b>?", "mask", workspace.edits, answer.text, answer)]
    workspace.comparisons += [
        Comparison("=1+1?", workspace.edits, [answer, Answer("erratum", "q", error=CacheFull("No room."))])
    ]

    whole = json.loads(exported(workspace, "json", erased_text=True))
    assert whole["document"] == "harbour.txt"
    asked, compared, failed = whole["answers"]
    (erased,) = asked["erased"]
    assert workspace.session.document.text[erased["start"] : erased["end"]] == erased["text"]
    assert (asked["answer"], compared["erase_s"], compared["kl"]) == (answer.text, 0.5, 0.25)
    assert failed["error"] == "No room."

    rows = list(csv.DictReader(io.StringIO(exported(workspace, "csv"))))
    assert [row["kind"] for row in rows] == ["ask", "compare", "compare"]
    assert rows[0]["answer"] == "'" + answer.text
    assert rows[1]["question"] == "'=1+1?"

    lines = exported(workspace, "md").splitlines()
    assert "## How \\<b\\>much\\</b\\>?" in lines
    assert "    # not a heading" in lines
    assert "erased in 0.500 s, first token after 0.500 s, KL 0.2500 nats a token, 0.0 MB besides the cache" in lines


@pytest.mark.parametrize("form", ["md", "html", "csv", "json"])
def test_what_was_erased_is_taken_away_only_if_that_is_asked(workspace, form):
    text = workspace.session.document.text
    workspace.session.replace([Span(12, 20)], " forty ", "mask")
    (edit,) = workspace.edits
    workspace.turns += [AskedTurn("How much?", "mask", workspace.edits, "Ten.", Answer("mask", "How much?", "Ten."))]
    assert edit.text in text
    assert edit.text not in exported(workspace, form)
    assert edit.text.strip() in exported(workspace, form, erased_text=True)
    assert "forty" in exported(workspace, form)


def test_a_page_of_what_was_asked_is_text_and_has_the_figures(workspace):
    workspace.session.mark([Span(12, 20)])
    said = "<script>alert(1)</script> & <b>bold</b>"
    answers = [Answer("none", "q", said, question_prefill_s=0.5), Answer("full_recompute", "q", "Ten.", erase_s=8.0)]
    workspace.comparisons += [Comparison("<i>Why?</i>", workspace.edits, answers)]
    page = exported(workspace, "html")
    assert "<h2>&lt;i&gt;Why?&lt;/i&gt;</h2>" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;bold&lt;/b&gt;" in page
    assert not any(markup in page for markup in ("<script", "<b>", "src=", "href="))
    assert "erased in 8.000 s, first token after 8.000 s" in page
    assert "width: 6.2%" in page
    assert "erased: characters " in page


def test_the_cards_have_the_figures_of_their_answers(workspace):
    answer = Answer("none", "q", "a", erase_s=1, question_prefill_s=2, first_token_s=3, decode_s=4, kl=0.25)
    workspace.comparisons += [Comparison("q", (), [answer, Answer("mask", "q", error=MissingEraser("x"))])]
    shown, failed = cards(None, workspace)["cards"]
    assert (shown["erase_ms"], shown["ttft_s"], shown["kl"]) == (1000, 6, 0.25)
    assert failed == {"method": "mask", "error": "x"}


@pytest.mark.parametrize(("language", "said"), [("en-GB,en;q=0.9", "No room."), ("zh-CN,zh;q=0.9", "没有剩余空间了")])
def test_a_method_that_fails_says_so_in_the_users_language(workspace, language, said):
    request = gr.Request(headers={"accept-language": language})
    comparison = Comparison("q", (), [Answer("none", "q", "a"), Answer("mask", "q", error=CacheFull("No room."))])
    shown, failed = cards(request, workspace, comparison)["cards"]
    assert "error" not in shown
    assert failed["error"].startswith(said)


def test_programs_are_told_why_a_method_failed(workspace, api, key):
    workspace.session.mark([Span(12, 20)])
    (answer,) = api.compare(key, "How much?", ["kveraser"])
    assert "No eraser is loaded" in answer["error"]
    assert json.loads(json.dumps(answer)) == answer


@given(text=st.text(alphabet="ab \n", max_size=30), reference=st.text(alphabet="ab \n", max_size=30))
def test_marking_words_never_changes_the_answer(text, reference):
    assert "".join(piece for piece, _ in differing(text, reference)) == text


def test_an_empty_box_compares_the_last_question(workspace, sessions, key):
    with gr.Blocks():
        comparing = Comparing(sessions, Turns(), lay_out(workspace.session.backbone))
    with pytest.raises(PageError, match="empty"):
        list(comparing.compare(key, " ", Chosen("none", ["none"]), None))
    workspace.turns += [AskedTurn("How much?", "none", (), "30", Answer("none", "How much?", "30"))]
    list(comparing.compare(key, " ", Chosen("none", ["none"]), None))
    assert [comparison.question for comparison in workspace.comparisons] == ["How much?"]


def test_a_card_says_whether_the_answer_still_has_what_was_erased(workspace):
    workspace.session.erase([Span(0, 21)], "mask")
    full = Answer("full_recompute", "q", "At noon.", first_token_s=1)
    kept = Answer("none", "q", "30 coins.", first_token_s=1)
    shown = cards(None, workspace, Comparison("q", workspace.edits, [full, kept]))["cards"]
    assert [card["verdict"] for card in shown] == [None, {"key": "v_still", "words": ("30", "coins")}]
    assert shown[1]["faster"] is None  # what erases nothing is praised for nothing


def test_words_are_not_marked_where_full_recompute_failed(workspace):
    """There is nothing that they could differ from."""
    failed, answered = Answer("full_recompute", "q", error=CacheFull("No room.")), Answer("mask", "q", "14 coins")
    _, shown = cards(None, workspace, Comparison("q", (), [failed, answered]))["cards"]
    assert shown["words"] == [("14 coins", False)]
    assert (shown["faster"], shown["verdict"]) == (None, None)


def test_full_recompute_comes_last_with_the_time_to_expect_and_then_words_are_marked(workspace, sessions, key):
    workspace.session.erase([Span(0, 21)], "mask")
    workspace.prefill.points = [(len(workspace.session.kept_ids) + 100, 8.0)]
    with gr.Blocks():
        parts = lay_out(workspace.session.backbone)
    comparing = Comparing(sessions, Turns(), parts)
    methods = ["full_recompute", "none", "mask"]
    seen = [update[parts.cards] for update in comparing.compare(key, "How much?", Chosen("none", methods), None)]
    first = seen[0]
    assert [coming["method"] for coming in first["coming"]] == ["none", "mask", "full_recompute"]
    assert [coming["s"] is None for coming in first["coming"]] == [True, True, False]
    assert 0 < first["coming"][-1]["s"] < 8
    last = seen[-1]
    assert [card["method"] for card in last["cards"]] == ["none", "mask", "full_recompute"]
    assert all(card["agreement"] is not None for card in last["cards"])
    assert [state["measuring"] for state in (first, last)] == [True, False]
    early = [state for state in seen if state and len(state["cards"]) in (1, 2)]
    assert all(card["agreement"] is None and card["verdict"] is None for state in early for card in state["cards"])


@pytest.mark.parametrize("form", ["md", "html", "csv", "json"])
def test_what_a_comparison_says_of_an_answer_is_taken_away(workspace, form):
    workspace.session.erase([Span(0, 21)], "mask")
    full, kept = Answer("full_recompute", "q", "At noon."), Answer("none", "q", "30 coins.")
    workspace.comparisons += [Comparison("q", workspace.edits, [kept, full])]
    assert "Still says: 30, coins" in exported(workspace, form)


def test_a_method_that_failed_has_no_figures_anywhere(workspace, api, key):
    failed = api.compare(key, "How much?", ["kveraser"])[0]
    assert failed["error"]
    assert {failed[name] for name in ("erase_s", "ttft_s", "first_token_s", "extra_bytes", "kl")} == {None}
    (record,) = json.loads(exported(workspace, "json"))["answers"]
    assert {record[name] for name in ("erase_s", "ttft_s", "extra_bytes")} == {None}
    assert "0.000" not in exported(workspace, "md") + exported(workspace, "html") + exported(workspace, "csv")


@pytest.mark.parametrize("said", ["=1+1", " =1", "\n=1", "\u00a0+1", "\ufeff@x", "\uff1d1"])
def test_no_cell_begins_a_formula(workspace, said):
    workspace.turns += [AskedTurn("q", "mask", (), said)]
    (row,) = csv.DictReader(io.StringIO(exported(workspace, "csv")))
    assert row["answer"].startswith("'")
