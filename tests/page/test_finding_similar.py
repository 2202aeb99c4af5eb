"""Passages about the same thing, on the page."""

import threading

import gradio as gr
import pytest

from app.document_view import span_data
from app.erase_panel import Erasing
from app.jobs import Stopped
from app.page import Page
from app.turns import Turns
from app.widgets import edit_list
from app.workspace import Workspace
from kveraser_core.documents import Document
from kveraser_core.documents.similar.finder import Similar, SimilarFinder
from kveraser_core.documents.spans import Span, SpanError
from kveraser_core.sessions.session import DocumentSession


def test_what_is_found_for_what_is_shown_no_more_is_not_shown(llama, sessions, workspace, monkeypatch):
    """Else it would be shown beside the document that took its place, or the list would lose the latest erase.

    Gradio sends the last state once more when the search ends, so that must be one that changes nothing.
    """
    with sessions.room(1, "", "tab") as room:
        key = sessions.add(workspace, room)
    workspace.session.erase([Span(0, 20)], "mask")
    erasing = Erasing(sessions, Turns(), Page(llama, sessions).parts)
    shown = list(erasing.similar(key, {}, None))
    states = [state[erasing.parts.edits] for state in shown]
    assert [state["similar"] for state in states] == [None] * (len(states) - 1) + [states[-1]["similar"]]
    assert states[0]["searching"] == 0
    assert states[-1]["searching"] is None

    def replaced(spans, progress):
        with sessions.room(1, "", "tab") as other:
            sessions.add(Workspace(workspace.session), other)
        return []

    monkeypatch.setattr(workspace.similar, "find", replaced)
    first, last = (state[erasing.parts.edits] for state in erasing.similar(key, {}, None))
    assert first["searching"] == 0
    assert last == gr.skip()

    with sessions.room(1, "", "tab") as room:
        key = sessions.add(workspace, room)
    monkeypatch.setattr(
        workspace.similar, "find", lambda *_, **__: workspace.session.erase([Span(30, 40)], "mask") and []
    )
    *_, last = (state[erasing.parts.edits] for state in erasing.similar(key, {}, None))
    assert last == gr.skip()


def test_a_search_says_how_far_it_is_and_ends_when_nobody_looks(llama, sessions, workspace, key, monkeypatch):
    workspace.session.erase([Span(0, 20)], "mask")
    erasing = Erasing(sessions, Turns(), Page(llama, sessions).parts)
    monkeypatch.setattr("app.erase_panel._REFRESH_S", 0.01)
    reached, go_on, stopped = threading.Event(), threading.Event(), threading.Event()

    def find(spans, progress):
        progress(37, 100)
        reached.set()
        go_on.wait(30)
        try:
            progress(60, 100)
        except Stopped:
            stopped.set()
            raise
        return []

    monkeypatch.setattr(workspace.similar, "find", find)
    shown = erasing.similar(key, {}, None)
    assert [next(shown)[erasing.parts.edits]["searching"] for _ in range(2)] == [0, 37]
    shown.close()
    go_on.set()
    assert stopped.wait(30)


def test_what_is_found_is_shown_in_pieces_that_say_what_differs(workspace):
    text = workspace.session.document.text
    found = Similar(Span(0, 21), 0.9, text[:21], added=(Span(12, 14), Span(15, 20)), missing=("14",))
    (shown,) = edit_list(workspace, similar=[found])["similar"]
    assert shown["pieces"] == [("The toll is ", False), ("30", True), (" ", False), ("coins", True), (".", False)]
    assert shown["missing"] == ("14",)


def test_programs_are_told_which_words_differ(api, workspace, key, monkeypatch):
    text = "The toll is 14 coins.\n\nShips pay at noon.\n\nThe toll is 30 coins."
    monkeypatch.setattr(DocumentSession, "document", Document(text, "harbour.txt"))
    workspace.similar = SimilarFinder(text)
    (found,) = api.similar(key, "The toll is 14 coins.")
    start = text.index("The toll is 30")
    assert (found["start"], found["end"], found["literal"]) == (start, len(text), False)
    assert found["added"] == [{"start": start + 12, "end": start + 14, "text": "30"}]
    assert found["missing"] == ["14"]
    with pytest.raises(SpanError):
        api.similar(key, "No such words.")
    assert api.similar(key) == []


def test_several_passages_are_erased_in_one_change_or_none_is(llama, sessions, workspace, key):
    erasing = Erasing(sessions, Turns(), Page(llama, sessions).parts)
    text = workspace.session.document.text
    spans = [span_data(text, Span(0, 10)), span_data(text, Span(30, 40))]

    def erase(data):
        return list(erasing.erase(key, None, gr.EventData(None, data)))

    for lie in ([], "all", None, [*spans, {}], [*spans, "x"], [spans[0]] * 101, [*spans, spans[0] | {"text": "lie"}]):
        with pytest.raises(SpanError, match="again"):
            erase({"all": lie})
    assert workspace.edits == ()
    erase({"all": spans})
    assert len(workspace.edits) == 2
    workspace.session.undo()
    assert workspace.edits == ()
