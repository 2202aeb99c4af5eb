"""The parts of the page that need neither a model nor a browser."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import store
from app.document_view import from_browser, to_browser
from app.samples import sample_choices, sample_path
from app.store import SessionStore, UnknownSession
from kveraser_core.spans import Span, SpanError

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
def test_offsets_survive_the_way_to_the_browser_and_back(text, data):
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


def test_an_id_that_is_not_known_gives_nothing():
    sessions = SessionStore()
    key = sessions.add("session", "tab")
    assert sessions.get(key) == "session"
    with pytest.raises(UnknownSession, match="no longer in memory"):
        sessions.get(key[:-1])
    with pytest.raises(UnknownSession, match="no document yet"):
        sessions.get(None)


def test_the_store_is_bounded_and_forgets_the_oldest():
    sessions = SessionStore(most=2)
    first, second = sessions.add("1", "a"), sessions.add("2", "b")
    sessions.get(first)
    third = sessions.add("3", "c")
    assert (sessions.get(first), sessions.get(third)) == ("1", "3")
    with pytest.raises(UnknownSession):
        sessions.get(second)


def test_a_closed_tab_and_an_idle_hour_free_a_session(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(store.time, "monotonic", lambda: now[0])
    sessions = SessionStore(idle_s=60)
    mine, other = sessions.add("1", "a"), sessions.add("2", "b")
    sessions.drop("a")
    with pytest.raises(UnknownSession):
        sessions.get(mine)
    now[0] += 50
    assert sessions.get(other) == "2"
    now[0] += 61
    with pytest.raises(UnknownSession):
        sessions.get(other)


def test_only_samples_are_found_by_name():
    for _, file in sample_choices():
        assert sample_path(file).is_file()
    with pytest.raises(KeyError):
        sample_path("../../README.md")
