"""The parts of the page that need neither a model nor a browser."""

import ast
import csv
import inspect
import io
import json
import re
import threading
from pathlib import Path

import gradio as gr
import pytest
from gradio.i18n import I18nData
from hypothesis import given
from hypothesis import strategies as st

from app.api import Api
from app.ask_panel import Asking
from app.charts import growth, parts
from app.document_view import from_browser, to_browser
from app.erase_panel import Erasing
from app.events import spoken
from app.export import exported
from app.jobs import Stopped
from app.layout import lay_out
from app.page import Page
from app.samples import samples
from app.store import SessionStore
from app.texts import WORDS, PageError, ran_instead
from app.turns import Turns
from app.widgets import cards, conversation, differing, edit_list
from app.work import earlier_turns
from app.workspace import AskedTurn, Comparison, Workspace
from kveraser_core import methods as erasers
from kveraser_core.cache import layer as cache_layer
from kveraser_core.cache import view as layout
from kveraser_core.cache.layer import CacheFull
from kveraser_core.documents import Document, spans
from kveraser_core.documents import document as documents
from kveraser_core.documents.similar.finder import Similar, SimilarFinder
from kveraser_core.documents.spans import Span, SpanError
from kveraser_core.errors import KVEraserError
from kveraser_core.methods import METHODS
from kveraser_core.model import generate_guard, generation
from kveraser_core.model.backbone import MissingEraser
from kveraser_core.model.generation import Sampling
from kveraser_core.sessions import lock as session_lock
from kveraser_core.sessions import session, window
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.exactness import NotExact
from kveraser_core.sessions.questions import QuestionError
from kveraser_core.sessions.segments import NoRoomToAppend
from kveraser_core.sessions.session import DocumentSession

ROOT = Path(__file__).parents[1]


def imported(folder):
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from ((file.name, alias.name.split(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield file.name, (node.module or "").split(".")[0]


def test_the_front_end_never_imports_torch_and_the_library_never_gradio():
    assert "torch" not in {module for _, module in imported("app")}
    assert not {"gradio", "app"} & {module for _, module in imported("kveraser_core")}


@given(text=st.text(min_size=1, max_size=40), data=st.data())
def test_offsets_are_the_same_after_the_browser(text, data):
    text = text.encode("utf-8", "replace").decode()
    start = data.draw(st.integers(0, len(text) - 1))
    span = Span(start, data.draw(st.integers(start + 1, len(text))))
    ((first, last),) = to_browser(text, [span])
    # A browser slices by UTF-16 units.
    units = text.encode("utf-16-le")
    assert units[2 * first : 2 * last].decode("utf-16-le") == text[span.start : span.end]
    assert from_browser(text, first, last, text[span.start : span.end]) == span


@pytest.mark.parametrize(
    ("start", "end", "selected"),
    [(0, 3, "xyz"), (-1, 3, "abc"), (0, 99, "abc"), (3, 3, ""), (4, 5, "\ud83d"), ("0", 3, "abc"), (0, 3, None)],
)
def test_selections_that_lie_are_refused(start, end, selected):
    with pytest.raises(SpanError):
        from_browser("abc 😀", start, end, selected)


@pytest.fixture
def workspace(llama):
    document = Document("The toll is 30 coins. =SUM(A1) <b>bold</b>\n\nShips pay at noon.", "harbour.txt")
    return Workspace(DocumentSession.load(llama, document))


@pytest.fixture
def sessions():
    return SessionStore()


@pytest.fixture
def key(workspace, sessions):
    with sessions.room(1, "") as room:
        return sessions.add(workspace, room)


@pytest.fixture
def api(workspace, sessions):
    return Api(workspace.session.backbone, sessions, Turns())


@pytest.fixture
def asking(workspace, sessions):
    with gr.Blocks():
        return Asking(sessions, Turns(), lay_out(workspace.session.backbone))


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


def test_an_idle_page_hardly_looks_for_events(llama, sessions):
    """The name is Gradio's own: where another version has none of it, setting it would do nothing."""
    queue = Page(llama, sessions).blocks._queue
    assert "sleep_when_free" in inspect.getsource(type(queue).start_processing)
    assert queue.sleep_when_free >= 0.01


def test_what_is_sent_when_the_page_is_opened_is_plain_data(llama, sessions):
    """Gradio copies it each time, with all that it holds."""

    def check(value, where):
        entries = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
        )
        for key, entry in entries:
            check(entry, (*where, key))
        assert isinstance(value, str | int | float | dict | list | tuple | I18nData | None), where

    check(Page(llama, sessions).blocks.get_config_file(), ())


def test_the_samples_are_there_with_their_passages():
    for sample in samples():
        assert sample.path.is_file()
        assert sample.erase
        assert sample.questions


def test_every_text_is_there_in_both_languages_with_the_same_places():
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    for key, text in WORDS["en"].items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", WORDS["zh"][key])), key


def test_every_method_has_its_text_and_its_colour():
    colours = (ROOT / "app/static/charts.js").read_text(encoding="utf-8").splitlines()[1]
    for method in METHODS:
        assert f"m_{method}" in WORDS["en"]
        assert re.search(rf"\b{method}: ['v]", colours), method


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
    assert [value for _, value in parts.method.choices] == names
    assert [value for _, value in parts.methods.choices] == names
    assert parts.method.value == default
    assert parts.methods.value == [default, "full_recompute", "none"]
    for endpoint in Api(llama, sessions, Turns()).endpoints.values():
        for parameter in endpoint.parameters:
            if parameter.name in ("method", "methods"):
                assert f": {', '.join(names)};" in parameter.description
                assert parameter.name == "methods" or f"{default} if empty" in parameter.description


@pytest.mark.parametrize("erased", [True, False])
def test_a_method_without_its_eraser_is_refused_in_the_cores_words(workspace, api, asking, key, erased):
    if erased:
        workspace.session.erase([Span(12, 20)])
        with pytest.raises(MissingEraser, match="kveraser_lookahead with --eraser"):
            api.erase(key, "noon", method="kveraser_repair")
    with pytest.raises(MissingEraser, match="kveraser with --eraser"):
        api.ask(key, "How much?", "kveraser")
    chosen = asking.parts.method.preprocess("kveraser")
    with pytest.raises(gr.Error, match="No eraser is loaded for tiny"):
        list(spoken(asking.ask)(key, "How much?", chosen, True, False, None))
    assert not workspace.turns


@pytest.mark.parametrize("method", ["local_repair:600", "full_recompute"])
def test_an_answer_says_what_really_ran(workspace, api, asking, key, method):
    said = {"local_repair:600": "ran_full_recompute"}.get(method)
    workspace.session.erase([Span(12, 20)])
    answer = api.ask(key, "How much?", method, 2)
    assert (answer["method"], answer["ran"]) == (method, "full_recompute")
    list(asking.ask(key, "How much?", method, False, False, None))
    assert [turn["ran"] for turn in conversation(workspace)["turns"]] == [said, said]
    (compared,) = api.compare(key, "How much?", [method], 2)
    assert compared["ran"] == "full_recompute"
    assert [card["ran"] for card in cards(None, workspace)["cards"]] == [said]
    assert {record["ran"] for record in json.loads(exported(workspace, "json"))["answers"]} == {"full_recompute"}
    rows = csv.DictReader(io.StringIO(exported(workspace, "csv")))
    assert {row["ran"] for row in rows} == {"full_recompute"}
    assert exported(workspace, "md").count(WORDS["en"]["ran_full_recompute"]) == (3 if said else 0)


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
        list(asking.ask(key, "How much?", method, False, False, None))
        assert (workspace.turns[-1].method, workspace.turns[-1].answer.ran) == (ran, ran)


def test_a_conversation_that_is_remembered_is_in_the_context_and_can_be_erased(workspace, asking, sessions, key):
    erasing = Erasing(sessions, Turns(), Page(workspace.session.backbone, sessions).parts)
    length = len(workspace.session.document.text)
    *_, last = asking.ask(key, "How much?", "none", True, True, None)
    (turn,) = workspace.turns
    assert conversation(workspace)["turns"][0]["remembered"]
    assert earlier_turns(workspace) == []
    assert [part["role"] for part in last[asking.page.segments]["parts"]] == ["document", "user", "assistant"]
    assert workspace.session.document.text[length:] == f"\n\nHow much?\n\n{turn.text}"
    *_, update = erasing.drop(key, None, gr.EventData(None, {"number": 2}))
    assert [span.text for span in workspace.session.spans] == [turn.text]
    assert update[erasing.parts.segments]["parts"][2]["erased"]
    for number in (0, 3, "1", None):
        with pytest.raises(SpanError):
            list(erasing.drop(key, None, gr.EventData(None, {"number": number})))


def test_what_does_not_fit_is_answered_and_not_remembered(workspace, asking, key, monkeypatch):
    monkeypatch.setattr("kveraser_core.sessions.segments.RESERVE", 10**6)
    answers = []
    with pytest.raises(NoRoomToAppend):
        answers.extend(asking.ask(key, "How much?", "none", True, True, None))
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


def test_words_that_differ_are_marked_where_they_differ():
    pieces = differing("the toll is 30 coins today", "the toll is 14 silver coins today")
    assert pieces == [("the toll is ", False), ("30 ", True), ("coins today", False)]
    assert "".join(text for text, _ in differing("a  b\nc d", "x")) == "a  b\nc d"
    assert differing("same words", "same words") == [("same words", False)]


def test_later_questions_never_carry_answers_from_before_an_edit(workspace):
    answer = Answer("none", "How much?", "30 coins")
    workspace.turns += [AskedTurn("How much?", "none", (), "30 coins", answer)]
    assert [turn.answer for turn in earlier_turns(workspace)] == ["30 coins"]
    workspace.session.mark([Span(12, 20)])
    assert earlier_turns(workspace) == []


def test_a_follow_up_question_takes_the_turns_before_it_along(workspace, asking, key, monkeypatch):
    answer = Answer("none", "How much?", "30 coins")
    workspace.turns += [AskedTurn("How much?", "none", (), "30 coins", answer)]
    stream, taken = workspace.session.stream, []

    def spy(question, method, history, sampling):
        taken.append([turn.answer for turn in history])
        return stream(question, method, history, Sampling(max_tokens=2))

    monkeypatch.setattr(workspace.session, "stream", spy)
    for follow_up in (True, False):
        list(asking.ask(key, "Is that so?", "none", follow_up, False, None))
    assert taken == [["30 coins"], []]
    assert [turn.question for turn in workspace.turns] == ["How much?", "Is that so?", "Is that so?"]


def test_a_question_that_does_not_fit_leaves_no_turn(workspace, asking, key):
    updates = asking.ask(key, "why " * 2000, "none", True, False, None)
    with pytest.raises(QuestionError, match="shorter"):
        list(updates)
    assert not workspace.turns


def test_what_is_taken_away_holds_everything_and_is_data_only(workspace):
    answer = Answer("mask", "=1+1?", "=SUM(A1) *bold*\n# not a heading", erase_s=0.5, kl=0.25)
    workspace.session.mark([Span(12, 20)])
    workspace.turns += [AskedTurn("How <b>much</b>?", "mask", workspace.edits, answer.text, answer)]
    workspace.comparisons += [
        Comparison("=1+1?", workspace.edits, 5, [answer, Answer("erratum", "q", error=CacheFull("No room."))])
    ]

    whole = json.loads(exported(workspace, "json"))
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


def test_the_charts_have_this_sessions_own_figures(workspace):
    earlier = Comparison("q", (), 40, [Answer("none", "q", "a", question_prefill_s=0.5, first_token_s=0.25)])
    now = Comparison(
        "q", (), 20, [Answer("none", "q", "a", erase_s=2.0), Answer("mask", "q", error=MissingEraser("x"))]
    )
    workspace.comparisons += [earlier, now]
    workspace.prefill.points = [(20, 0.5), (60, 2.0)]
    assert growth(workspace, now) == {
        "curve": [(0, 0.0), (40, 1.5), (60, 2.0)],
        "points": {"none": [(40, 0.75), (20, 2.0)]},
    }
    assert parts(Answer("none", "q", erase_s=1, question_prefill_s=2, first_token_s=3, decode_s=4)) == [1, 2, 3, 4]
    shown, failed = cards(None, workspace)["cards"]
    assert shown["parts"] == [2.0, 0, 0, 0]
    assert failed == {"method": "mask", "error": "x"}


@pytest.mark.parametrize(("language", "said"), [("en-GB,en;q=0.9", "No room."), ("zh-CN,zh;q=0.9", "没有剩余空间了")])
def test_a_method_that_fails_says_so_in_the_users_language(workspace, language, said):
    request = gr.Request(headers={"accept-language": language})
    comparison = Comparison("q", (), 20, [Answer("none", "q", "a"), Answer("mask", "q", error=CacheFull("No room."))])
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


def test_every_fault_a_user_can_meet_is_explained_in_chinese():
    known = json.loads((ROOT / "app/static/errors.zh.json").read_text(encoding="utf-8"))
    for module in (
        cache_layer, documents, erasers, generate_guard, generation, layout, session, session_lock, spans, window,
    ):  # fmt: skip
        for name, thing in vars(module).items():
            if isinstance(thing, type) and issubclass(thing, KVEraserError) and thing is not KVEraserError:
                assert name in known


def test_no_file_of_the_front_end_is_long():
    for file in (ROOT / "app").rglob("*.*"):
        if file.suffix in (".py", ".js", ".css", ".json"):
            assert len(file.read_text(encoding="utf-8").splitlines()) <= 250, file
