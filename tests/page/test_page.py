"""The parts of the page that need neither a model nor a browser."""

import ast
import inspect
import json
import re
from pathlib import Path

import pytest
from gradio.i18n import I18nData
from hypothesis import given
from hypothesis import strategies as st

from app.document_view import from_browser, to_browser
from app.page import Page
from app.samples import samples
from app.texts import WORDS
from app.workspace import PrefillTime
from kveraser_core import methods as erasers
from kveraser_core.cache import layer as cache_layer
from kveraser_core.cache import view as layout
from kveraser_core.documents import document as documents
from kveraser_core.documents import spans
from kveraser_core.documents.spans import Span, SpanError
from kveraser_core.errors import KVEraserError
from kveraser_core.methods import METHODS
from kveraser_core.model import generate_guard, generation
from kveraser_core.sessions import lock as session_lock
from kveraser_core.sessions import session, window

ROOT = Path(__file__).parents[2]


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


def test_every_method_has_its_name_and_its_text():
    for method in METHODS:
        assert {f"m_{method}", f"n_{method}"} <= WORDS["en"].keys()


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


def test_the_seconds_of_the_last_tokens_lie_between_the_moments_that_were_marked():
    time = PrefillTime(points=[(20, 0.5), (60, 2.0)])
    assert [time.of_last(tokens) for tokens in (0, 40, 50, 60)] == [0.0, 1.5, 1.75, 2.0]
    assert PrefillTime().of_last(5) == 0.0
