"""The page's find box finds what `find_text` finds, by the same rules."""

import json
import time
from collections.abc import Callable
from unicodedata import category

import pytest
from hypothesis import HealthCheck, assume, given, settings
from playwright.sync_api import Browser, Page, expect

from app.document_view import to_browser
from app.texts import STATIC
from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.search.folding import RULES, fold
from kveraser_core.documents.spans import SpanError
from tests.browser.driving import paste
from tests.test_finding import UNICODE

pytestmark = pytest.mark.browser
TEXTS = [
    "The landlord’s “quiet hours” – every day… Non‑stop. well-\nknown well-known confi-\n\ndential",
    "Ga\u0308rtner pass\u200bword sa\u00adfe swan\u200d. Nor\ufeffmal ΟΔΟΣ İstanbul Straße ﬁ ½ 10⁵ ¨ x\u0302",
    "合同金额\n为九千元 ｶﾞ ㄱㅏ 👩🏽‍🚀 ❤️‍🔥 กำ कि 𝐀𝐁… 𠀀\n𠀁 a-b – c -d\ne- f 𗀀-0 𐐀-\n𐐁",
]


@pytest.fixture(scope="module")
def scripts(browser: Browser) -> Callable[[str, list[str]], object]:
    """What the page's scripts make of a text: folded, and the places of each passage."""
    page = browser.new_page()
    sources = "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in ("folding", "searching"))
    page.add_script_tag(
        content=f"const RULES = {json.dumps(RULES)};\n{sources}\nwindow.run = (text, passages) => "
        "[fold(text).text, passages.map((passage) => places(text, fold(text), passage, 2000))];"
    )
    return lambda text, passages: page.evaluate("([text, passages]) => run(text, passages)", [text, passages])


def expected(text: str, passage: str) -> list[list[int]]:
    try:
        return to_browser(text, find_text(text, passage))
    except SpanError:
        return []


def compare(scripts: Callable[[str, list[str]], object], text: str) -> None:
    parts = [text[start:end] for start in range(0, len(text), 3) for end in (start + 1, start + 4, start + 15)]
    folded, places = scripts(text, parts)
    assert folded == fold(text).text
    assert places == [expected(text, part) for part in parts]


@pytest.mark.parametrize("text", TEXTS)
def test_the_scripts_find_the_same(scripts, text):
    compare(scripts, text)
    compare(scripts, text.upper())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=UNICODE)
def test_the_scripts_find_the_same_in_any_text(scripts, text):
    assume(all(category(character) != "Cn" for character in text))  # the browser may know more of them
    compare(scripts, text)


def test_a_long_text_is_folded_while_one_types(scripts):
    text = "The landlord’s rent is 800 euros — due now;\nwell-known to every confi-\ndential 漢字 party. " * 10_000
    begun = time.monotonic()
    assert len(scripts(text, ["confidential"])[1][0]) == 2000
    assert time.monotonic() - begun < 15


def test_the_find_box_folds(page: Page):
    paste(page, "The landlord’s ﬁrst rent 😀 is confi-\ndential. THE LANDLORD'S FIRST RENT.")
    page.locator(".find").fill("landlord's first")
    expect(page.locator(".count")).to_have_text("1 of 2")
    page.locator(".find").fill("is confidential")
    expect(page.locator(".count")).to_have_text("1 of 1")
    assert page.evaluate("[...CSS.highlights.get('current')].map(String).join()") == "is confi-\ndential"
