"""Answers that become exact while nobody asks."""

import gradio as gr
import pytest

from app.erase_panel import Erasing
from app.method_choice import Chosen
from app.page import Page
from app.turns import Turns
from app.widgets import conversation
from kveraser_core.documents.spans import Span
from kveraser_core.sessions.exactness import NotExact


def test_answers_become_exact_and_those_given_before_are_marked(workspace, api, sessions, key, llama, background):
    erasing = Erasing(sessions, Turns(), Page(llama, sessions).parts)
    assert api.erase(key, start=12, end=20)["exactness"]["state"] == "working"
    assert not api.ask(key, "How much?", "mask", 2)["exact"]
    update = erasing.poll(key, None)
    assert update[erasing.parts.exactness]["state"] == "working"
    assert erasing.parts.asking.conversation not in update
    while background[0].step() != "done":
        assert api.exactness(key)["state"] == "working"
    update = erasing.poll(key, None)
    assert update[erasing.parts.exactness]["state"] == api.exactness(key)["state"] == "exact"
    (turn,) = update[erasing.parts.asking.conversation]["turns"]
    assert (turn["exact"], turn["surpassed"], turn["method"]) == (False, True, "mask")
    answer = api.ask(key, "How much?", max_tokens=2)
    assert (answer["exact"], answer["method"]) == (True, "full_recompute")
    assert [turn["surpassed"] for turn in conversation(workspace)["turns"]] == [True, False]
    assert not api.ask(key, "How much?", "mask", 2)["exact"]


def test_asked_again_an_approximate_answer_becomes_the_exact_one_that_there_is(
    workspace, api, asking, key, background
):
    api.erase(key, start=12, end=20)
    api.ask(key, "How much?", "mask", 2)
    while background[0].step() != "done":
        pass
    assert conversation(workspace)["turns"][0]["surpassed"]
    list(asking.again(key, Chosen("mask", []), True, None, gr.EventData(None, {"number": 0})))
    assert workspace.turns[-1].answer.exact
    assert not conversation(workspace)["turns"][-1]["surpassed"]


def test_a_program_can_wait_for_an_exact_answer(workspace, api, key):
    api.erase(key, start=12, end=20)
    answer = api.ask(key, "How much?", max_tokens=2, exact=True)
    assert (answer["exact"], answer["method"]) == (True, "full_recompute")
    with pytest.raises(NotExact):
        api.ask(key, "How much?", "mask", exact=True)


def test_the_page_uses_the_exact_cache_unless_another_method_is_chosen(workspace, asking, key, background):
    workspace.session.erase([Span(12, 20)])
    workspace.session.make_exact()
    for method, ran in ((workspace.session.default_method, "full_recompute"), ("mask", "mask")):
        list(asking.ask(key, "How much?", Chosen(method, []), False, False, None))
        assert (workspace.turns[-1].method, workspace.turns[-1].answer.ran) == (ran, ran)


def test_nothing_is_recomputed_for_a_tab_that_is_gone(workspace, sessions, background):
    with sessions.room(1, "", "tab") as room:
        key = sessions.add(workspace, room)
    workspace.session.erase([Span(12, 20)])
    sessions.leave("tab")
    assert background[0].step() == "done"
    assert workspace.session.exactness.state == "off"
    sessions.get(key, "tab")  # it was a reload
    while background[0].step() != "done":
        pass
    assert workspace.session.exactness.state == "exact"
