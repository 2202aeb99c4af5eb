"""Approximate now and exact soon, and a context that grows, in the browser."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.driving import QUESTION, ask, open_panel, paste, pick_sample
from tests.browser.test_quality import serious

pytestmark = pytest.mark.browser
_WATCH = """() => {
    window.seen = [];
    const line = document.querySelector('#exactness');
    new MutationObserver(() => window.seen.push(line.innerText.trim()))
        .observe(line, { childList: true, subtree: true, characterData: true });
}"""


@pytest.mark.parametrize(("viewport", "language"), [(DESKTOP, "en-US"), (PHONE, "zh-CN")], ids=["en", "zh"])
def test_an_edit_is_approximate_and_then_exact(open_page: Callable[..., Page], viewport, language):
    page = open_page(viewport, "light", language)
    chinese = language == "zh-CN"
    pick_sample(page, "research-brief.md")
    page.evaluate(_WATCH)
    page.locator("#edits .tip").click()
    ask(page, QUESTION)
    line = page.locator("#exactness [role=status]")
    expect(line).to_have_text(
        "精确：回答与完全重算一致。" if chinese else "Exact: answers are those of full recompute."
    )
    working = re.compile(r"近似，(\d+ 秒后|即将)精确" if chinese else r"Approximate, exact (in \d+ s|soon)")
    assert any(working.fullmatch(text) for text in page.evaluate("window.seen"))
    ask(page, QUESTION)
    newest = page.locator("#conversation .turn").last
    expect(newest.locator(".figures")).to_have_text(re.compile("^full_recompute"))
    expect(newest.locator(".exactness")).to_have_text("精确" if chinese else "exact")
    assert serious(page) == []
    page.locator("#edits button", has_text="撤销" if chinese else "Undo").click()
    expect(line).to_have_text("")


@pytest.mark.parametrize(("viewport", "language"), [(DESKTOP, "en-US"), (PHONE, "zh-CN")], ids=["en", "zh"])
def test_a_remembered_conversation_is_a_part_of_the_context(open_page: Callable[..., Page], viewport, language):
    page = open_page(viewport, "light", language)
    paste(page, "The toll is 30 coins.")
    page.locator("#remember input").press("Space")
    ask(page, "What is the toll?")
    parts = page.locator("#segments li")
    expect(parts).to_have_count(3)
    expect(page.locator(".doc")).to_contain_text("What is the toll?")
    open_panel(page)
    page.locator("#add input").press("Space")
    page.locator("#paste textarea").fill("Ferries are free.")
    page.locator("#read").press("Enter")
    expect(parts).to_have_count(4)
    expect(page.locator(".doc")).to_contain_text("Ferries are free.")
    button = parts.last.get_by_role("button", name="擦除" if language == "zh-CN" else "Erase")
    button.press("Enter")
    expect(page.locator("#edits .quote")).to_have_text("Ferries are free.")
    expect(parts.last.locator("button").last).to_be_disabled()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
