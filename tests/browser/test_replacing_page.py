"""Correcting a passage on the page, by mouse and by keyboard, on a desktop and on a phone."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.driving import TEXT, THIRD, drag, painted, paste
from tests.browser.serving import until
from tests.browser.test_quality import serious

pytestmark = pytest.mark.browser
said = "#edits .said"


OLD, NEW = "30 copper coins for every ship", "<b>45</b> ${7*7} silver coins"


@pytest.mark.parametrize(("viewport", "language"), [(DESKTOP, "en-US"), (PHONE, "zh-CN")], ids=["en", "zh"])
def test_a_passage_is_corrected_shown_and_taken_back(open_page: Callable[..., Page], viewport, language):
    page = open_page(viewport, "light", language)
    chinese = language == "zh-CN"
    page.locator("#paste textarea").fill(TEXT)
    page.locator("#read").click()
    expect(page.locator(".doc p")).to_have_count(4)
    drag(page, "30 copper coins", "for every ship")
    page.locator(".bar").get_by_role("button", name="替换" if chinese else "Replace", exact=True).click()
    box = page.locator(".replacing textarea")
    expect(box).to_have_value(OLD)
    expect(box).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    assert serious(page) == []
    box.fill(NEW)
    page.locator(".replacing .primary").click()
    expect(page.locator(".replacing")).to_be_hidden()
    shown = page.locator(".doc .new")
    expect(shown).to_have_attribute("data-text", f" {NEW}")
    expect(page.locator(said).first).to_have_text(re.compile("替换" if chinese else r"Replaced \d+ tokens in \d+ ms"))
    until(lambda: painted(page) == f" {OLD}")
    row = page.locator("#edits .edit")
    expect(row.locator(".new")).to_have_text(NEW)
    expect(page.locator("#edits b, .doc b")).to_have_count(0)
    assert serious(page) == []
    drag(page, "Captains pay", "at the quay")  # after the new text, in the same paragraph
    page.locator(".bar .primary").first.click()
    until(lambda: painted(page) == f" {OLD}\n\n Captains pay at the quay")
    for left in (1, 0):
        page.locator("#edits .head").get_by_role("button", name="撤销" if chinese else "Undo").click()
        expect(row).to_have_count(left)
    expect(shown).to_have_count(0)
    until(lambda: painted(page) == "")
    assert page.locator(".doc p").all_text_contents()[2] == THIRD


def test_a_passage_is_corrected_by_keyboard(page: Page):
    paste(page, TEXT)
    page.locator(".doc").focus()
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    box = page.locator(".replacing textarea")
    expect(box).to_be_focused()
    before = box.input_value()
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(page.locator(".doc")).to_be_focused()
    for key in ("ArrowDown", "Enter", "Tab", "Enter"):
        page.keyboard.press(key)
    expect(box).to_be_focused()
    page.keyboard.type("Nothing is due.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#edits .edit .new")).to_have_text("Nothing is due.")
    assert before in TEXT


def test_an_empty_correction_erases(page: Page):
    paste(page, TEXT)
    drag(page, "30 copper coins", "for every ship")
    page.locator(".bar").get_by_role("button", name="Replace", exact=True).click()
    page.locator(".replacing textarea").fill("")
    page.locator(".replacing .primary").click()
    expect(page.locator(said).first).to_have_text(re.compile("Erased"))
    expect(page.locator(".doc .new")).to_have_count(0)


@pytest.mark.parametrize(("viewport", "language"), [(DESKTOP, "en-US"), (PHONE, "zh-CN")], ids=["en", "zh"])
def test_a_report_says_what_is_left_and_is_taken_away(open_page: Callable[..., Page], viewport, language):
    page = open_page(viewport, "light", language)
    chinese = language == "zh-CN"
    page.locator("#paste textarea").fill(f"{TEXT}\n\n{THIRD}")
    page.locator("#read").click()
    expect(page.locator(".doc p")).to_have_count(5)
    drag(page, "Captains pay", "before noon.")
    page.locator(".bar .primary").click()
    button = page.locator("#edits .head").get_by_role("button", name="报告残留" if chinese else "Report what is left")
    button.focus()
    page.keyboard.press("Enter")
    report = page.locator("#edits .report")
    expect(report.locator(".verdict").first).to_have_text(re.compile("KL"))
    expect(report).to_contain_text("第 1 页仍有同样的内容" if chinese else "It is still said on page 1.")
    expect(page.locator("#edits .found")).not_to_have_count(0)  # what else was found stays
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    with page.expect_download() as taken:
        report.get_by_role("button", name="HTML").click()
    page.reload()
    expect(report.locator(".verdict").first).to_have_text(re.compile("KL"))
    text = Path(taken.value.path()).read_text(encoding="utf-8")
    assert taken.value.suggested_filename == "erasure-report.html"
    assert "Captains pay at the quay &lt;|im_end|&gt; before noon." in text
    page.locator("#edits .head").get_by_role("button", name="撤销" if chinese else "Undo").click()
    expect(report).to_have_count(0)
