"""Asking: which method answers, what goes along, and what is remembered."""

import csv
import io
import json
from dataclasses import replace

import gradio as gr
import pytest

from app.api import Api
from app.cards import cards
from app.document_view import span_data
from app.erase_panel import Erasing
from app.events import spoken
from app.export import exported
from app.layout import lay_out
from app.method_choice import Chosen, method_choice
from app.page import Page
from app.texts import WORDS, PageError, ran_instead
from app.turns import Turns
from app.widgets import conversation
from app.work import earlier_turns
from app.workspace import AskedTurn
from kveraser_core.documents.spans import Span, SpanError
from kveraser_core.model.backbone import MissingEraser
from kveraser_core.model.generation import Sampling
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.questions import QuestionError
from kveraser_core.sessions.segments import NoRoomToAppend


@pytest.mark.parametrize(
    ("trained_for", "offered", "default"),
    [
        (None, [], "local_repair"),
        ("kveraser", ["kveraser"], "kveraser"),
        ("kveraser_lookahead", ["kveraser_lookahead", "kveraser_repair"], "kveraser_repair"),
    ],
)
def test_only_methods_that_there_is_an_eraser_for_are_offered(
    llama, save_adapter, sessions, trained_for, offered, default
):
    if trained_for:
        folder, steering = save_adapter(), {"method": trained_for}
        steering |= {"lookahead": 16} if trained_for == "kveraser_lookahead" else {}
        (folder / "steering.json").write_text(json.dumps(steering))
        llama.load_eraser(folder)
    names = ["none", "mask", "delete_shift", "local_repair", "erratum", *offered, "full_recompute"]
    with gr.Blocks():
        parts = lay_out(llama).asking
    choice = parts.methods.value
    assert sorted(choice["offered"]) == sorted(names)
    assert choice["offered"][:2] == [default, "full_recompute"]
    assert choice["compare_first"] == [default, "full_recompute", "none"]
    for endpoint in Api(llama, sessions, Turns()).endpoints.values():
        for parameter in endpoint.parameters:
            if parameter.name in ("method", "methods"):
                assert f": {', '.join(names)};" in parameter.description
                assert parameter.name == "methods" or f"{default} if empty" in parameter.description


def test_each_method_says_the_seconds_to_expect(workspace, asking, key, background):
    backbone, tokens = workspace.session.backbone, len(workspace.session.kept_ids)
    workspace.prefill.points = [(tokens, 10.0 * tokens)]
    assert method_choice(backbone, workspace)["seconds"] == {}
    workspace.session.erase([Span(12, 20)])
    assert method_choice(backbone, workspace)["seconds"]["full_recompute"] > 10 * workspace.session.suffix_tokens
    list(asking.ask(key, "How much?", Chosen("mask", []), False, False, None))
    seconds = method_choice(backbone, workspace)["seconds"]
    assert seconds.keys() == {"full_recompute", "mask"}
    assert seconds["mask"] == workspace.turns[-1].answer.ttft_s
    workspace.session.make_exact()
    question = method_choice(backbone, workspace)["seconds"]["full_recompute"]
    assert 0 < question < seconds["full_recompute"]
    workspace.session.restore_all()
    assert method_choice(backbone, workspace)["seconds"] == {}


@pytest.mark.parametrize("erased", [True, False])
def test_a_method_without_its_eraser_is_refused_in_the_cores_words(workspace, api, asking, key, erased):
    if erased:
        workspace.session.erase([Span(12, 20)])
        with pytest.raises(MissingEraser, match="kveraser_lookahead with --eraser"):
            api.erase(key, "noon", method="kveraser_repair")
    with pytest.raises(MissingEraser, match="kveraser with --eraser"):
        api.ask(key, "How much?", "kveraser")
    chosen = asking.parts.methods.preprocess({"method": "kveraser", "compare": []})
    with pytest.raises(gr.Error, match="No eraser is loaded for tiny"):
        list(spoken(asking.ask)(key, "How much?", chosen, True, False, None))
    assert not workspace.turns


@pytest.mark.parametrize("method", ["local_repair:600", "full_recompute"])
def test_an_answer_says_what_really_ran(workspace, api, asking, key, method):
    said = {"local_repair:600": "ran_full_recompute"}.get(method)
    workspace.session.erase([Span(12, 20)])
    answer = api.ask(key, "How much?", method, 2)
    assert (answer["method"], answer["ran"]) == (method, "full_recompute")
    list(asking.ask(key, "How much?", Chosen(method, []), False, False, None))
    assert [turn["ran"] for turn in conversation(workspace)["turns"]] == [said, said]
    (compared,) = api.compare(key, "How much?", [method], 2)
    assert compared["ran"] == "full_recompute"
    assert [card["ran"] for card in cards(None, workspace)["cards"]] == [said]
    assert {record["ran"] for record in json.loads(exported(workspace, "json"))["answers"]} == {"full_recompute"}
    rows = csv.DictReader(io.StringIO(exported(workspace, "csv")))
    assert {row["ran"] for row in rows} == {"full_recompute"}
    assert exported(workspace, "md").count(WORDS["en"]["ran_full_recompute"]) == (3 if said else 0)


def test_a_conversation_that_is_remembered_is_in_the_context_and_can_be_erased(workspace, asking, sessions, key):
    erasing = Erasing(sessions, Turns(), Page(workspace.session.backbone, sessions).parts)
    length = len(workspace.session.document.text)
    *_, last = asking.ask(key, "How much?", Chosen("none", []), True, True, None)
    (turn,) = workspace.turns
    assert conversation(workspace)["turns"][0]["remembered"]
    assert earlier_turns(workspace, "Is that so?") == []
    assert [part["role"] for part in last[asking.page.segments]["parts"]] == ["document", "user", "assistant"]
    assert workspace.session.document.text[length:] == f"\n\nHow much?\n\n{turn.text}"
    *_, update = erasing.drop(key, None, gr.EventData(None, {"number": 2}))
    assert [span.text for span in workspace.session.spans] == [turn.text]
    assert update[erasing.parts.segments]["parts"][2]["erased"]
    for number in (0, 3, "1", None):
        with pytest.raises(SpanError):
            list(erasing.drop(key, None, gr.EventData(None, {"number": number})))


def test_a_correction_across_two_parts_is_refused_in_a_sentence(workspace, asking, sessions, key):
    erasing = Erasing(sessions, Turns(), Page(workspace.session.backbone, sessions).parts)
    length = len(workspace.session.document.text)
    workspace.session.append("Hello there, captain.", "document")
    across = span_data(workspace.session.document.text, Span(length - 10, length + 10))
    for data in (across | {"new_text": "Ahoy."}, across | {"new_text": None}, [1], None):
        with pytest.raises(SpanError):
            list(erasing.replace(key, None, gr.EventData(None, data)))
    assert workspace.edits == ()


def test_what_does_not_fit_is_answered_and_not_remembered(workspace, asking, key, monkeypatch):
    monkeypatch.setattr("kveraser_core.sessions.segments.RESERVE", 10**6)
    answers = []
    with pytest.raises(NoRoomToAppend):
        answers.extend(asking.ask(key, "How much?", Chosen("none", []), True, True, None))
    assert workspace.turns[0].answer
    assert not workspace.turns[0].remembered


def test_a_program_appends_texts_and_erases_them(workspace, api, key):
    parts = api.append(key, "The tide is 2 m high.", "tool", "tide")
    assert parts == api.segments(key)
    assert (parts[1]["name"], parts[1]["role"]) == ("tide", "tool")
    (erased,) = api.erase(key, start=parts[1]["start"], end=parts[1]["end"])["erased"]
    assert erased["text"] == "The tide is 2 m high."
    with pytest.raises(PageError, match="no role king"):
        api.append(key, "x", "king")


def test_with_nothing_erased_an_answer_says_that_nothing_was_done(workspace, api, key):
    assert api.ask(key, "How much?", "local_repair", 2)["ran"] == "none"
    assert [turn["ran"] for turn in conversation(workspace)["turns"]] == ["ran_none"]
    assert api.ask(key, "How much?", "none", 2)["ran"] == "none"
    assert conversation(workspace)["turns"][-1]["ran"] is None


def test_a_method_with_another_number_of_tokens_is_the_same_method():
    assert ran_instead("local_repair:64", "local_repair") is None
    assert ran_instead("local_repair:64", "local_repair:64") is None
    assert ran_instead("mask", None) is None
    assert ran_instead("mask", "") is None


def test_later_questions_never_carry_answers_from_before_an_edit(workspace):
    answer = Answer("none", "How much?", "30 coins")
    workspace.turns += [AskedTurn("How much?", "none", (), "30 coins", answer)]
    assert [turn.answer for turn in earlier_turns(workspace, "Is that so?")] == ["30 coins"]
    assert earlier_turns(workspace, "How much?") == []  # asked once more
    workspace.session.mark([Span(12, 20)])
    assert earlier_turns(workspace, "Is that so?") == []


def test_a_follow_up_question_takes_the_turns_before_it_along(workspace, asking, key, monkeypatch):
    answer = Answer("none", "How much?", "30 coins")
    workspace.turns += [AskedTurn("How much?", "none", (), "30 coins", answer)]
    stream, taken = workspace.session.stream, []

    def spy(question, method, history, sampling):
        taken.append([turn.answer for turn in history])
        return stream(question, method, history, Sampling(max_tokens=2))

    monkeypatch.setattr(workspace.session, "stream", spy)
    for follow_up in (True, False):
        list(asking.ask(key, "Is that so?", Chosen("none", []), follow_up, False, None))
    assert taken == [["30 coins"], []]
    assert [turn.question for turn in workspace.turns] == ["How much?", "Is that so?", "Is that so?"]


def test_a_question_that_does_not_fit_leaves_no_turn(workspace, asking, key):
    updates = asking.ask(key, "why " * 2000, Chosen("none", []), True, False, None)
    with pytest.raises(QuestionError, match="shorter"):
        list(updates)
    assert not workspace.turns


def pressed(**data):
    return gr.EventData(None, data)


@pytest.fixture
def sampled(workspace, monkeypatch):
    """What answers were sampled with, each a few tokens."""
    stream, sampled = workspace.session.stream, []

    def spy(question, method, history, sampling):
        sampled.append(sampling)
        return stream(question, method, history, replace(sampling, max_tokens=3))

    monkeypatch.setattr(workspace.session, "stream", spy)
    return sampled


def test_answers_are_brief_and_a_longer_one_can_be_had(workspace, asking, key, sampled):
    list(asking.ask(key, "How much?", Chosen("none", []), False, False, None))
    list(asking.again(key, Chosen("none", []), False, None, pressed(number=0, longer=True)))
    list(asking.again(key, Chosen("none", []), False, None, pressed(number=1)))
    assert [sampling.brief for sampling in sampled] == [True, False, False]
    assert [turn.question for turn in workspace.turns] == ["How much?"] * 3
    assert workspace.turns[1].earlier == workspace.turns[0].text
    shown = conversation(workspace)["turns"]
    assert [turn["goes_on"] for turn in shown] == [True, False, False]


def test_an_answer_that_the_model_ended_does_not_go_on(workspace):
    ended = Answer("none", "How much?", "30", token_ids=(1, next(iter(workspace.session.backbone.end_ids))))
    workspace.turns += [AskedTurn("How much?", "none", (), "30", ended)]
    (shown,) = conversation(workspace)["turns"]
    assert shown["goes_on"] is False


def test_a_question_asked_again_shows_what_changed(workspace, asking, key, sampled):
    """After an erase the earlier answer is stale, and the new one says which of its words are new."""
    answer = Answer("none", "How much?", "It is 14 coins")
    workspace.turns += [AskedTurn("How much?", "none", (), answer.text, answer)]
    workspace.session.erase([Span(0, 20)], "mask")
    (stale,) = conversation(workspace)["turns"]
    assert stale["stale"] is True
    list(asking.again(key, Chosen("mask", []), True, None, pressed(number=0)))
    before, now = conversation(workspace)["turns"]
    assert (before["answer"], now["earlier"]) == ("It is 14 coins", "It is 14 coins")
    assert "".join(text for text, _ in now["words"]) == now["answer"]
    assert workspace.turns[1].edits == workspace.edits


@pytest.mark.parametrize("number", [-1, 1, "0", None, True])
def test_a_turn_that_is_not_there_is_not_asked_again(workspace, asking, key, number):
    workspace.turns += [AskedTurn("How much?", "none", (), "30", Answer("none", "How much?", "30"))]
    with pytest.raises(PageError, match="no longer in the conversation"):
        list(asking.again(key, Chosen("none", []), False, None, pressed(number=number)))
    assert len(workspace.turns) == 1


def test_programs_get_the_passages_an_answer_may_rest_on_and_longer_ones(workspace, api, key, sampled):
    answer = api.ask(key, "What is the toll?", evidence=True, longer=True)
    assert [sampling.brief for sampling in sampled] == [False]
    first, *_ = answer["evidence"]["passages"]
    assert workspace.session.document.text[first["start"] : first["end"]] == first["text"]
    assert "toll is 30 coins" in first["text"]
    assert json.loads(json.dumps(answer)) == answer
    assert "evidence" not in api.ask(key, "What is the toll?")
