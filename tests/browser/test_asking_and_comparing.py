"""Asking and comparing in the browser, and taking the results away."""

import csv
import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driving import (
    QUESTION,
    SECOND,
    TEXT,
    ask,
    choose,
    compare_by,
    erase,
    method_row,
    paste,
    pick_sample,
    toast,
)

pytestmark = pytest.mark.browser
_WATCH_CARDS = """() => {
    window.seen = [];
    const cards = document.querySelector('#cards');
    new MutationObserver(() => {
        const now = `${cards.querySelectorAll('.time').length} of ${cards.querySelectorAll('.card').length}`;
        if (now !== '0 of 0' && window.seen.at(-1) !== now) window.seen.push(now);
    }).observe(cards, { childList: true, subtree: true });
}"""


@pytest.mark.packaged
def test_answers_say_how_they_were_made_and_when_they_are_stale(page: Page):
    paste(page, TEXT)
    ask(page, QUESTION, "none")
    turn = page.locator("#conversation .turn")
    expect(turn.locator(".figures")).to_have_text(
        re.compile(r"^none · first token after [\d,]+ ms · [\d.]+ tokens/s$")
    )
    expect(turn.locator(".badge")).to_have_count(0)
    erase(page, "An old rule", "no longer in force.")
    expect(turn.locator(".badge")).to_have_text("Answered before the last change")
    ask(page, QUESTION, "full_recompute")
    newest = page.locator("#conversation .turn").last
    expect(newest.locator(".asked")).to_be_in_viewport(ratio=1)
    expect(newest.locator(".answer")).to_contain_text("30")
    newest.get_by_text("erased at that time: 1").click()
    expect(newest.locator(".quote")).to_contain_text(SECOND)
    expect(page.locator("#question textarea")).to_have_value("")
    newest.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == newest.locator(".answer").text_content()


@pytest.mark.packaged
def test_an_answer_is_one_sentence_and_can_be_had_longer_and_anew(page: Page):
    paste(page, TEXT)
    ask(page, "Tell me all about the harbour office and the toll.", "none")
    turn = page.locator("#conversation .turn")
    said = turn.locator(".answer").text_content()
    turn.get_by_role("button", name="Longer").click()
    expect(turn).to_have_count(2)
    expect(turn.last.locator(".evidence")).to_have_count(1)
    longer = turn.last.locator(".answer").text_content()
    assert longer.startswith(said)
    assert len(longer) > len(said)
    erase(page, "An old rule", "no longer in force.")
    expect(page.get_by_role("button", name="Ask again")).to_have_count(2)
    choose(page, "full_recompute")
    turn.last.get_by_role("button", name="Ask again").click()
    expect(turn).to_have_count(3)
    expect(turn.last.locator(".evidence")).to_have_count(1)
    expect(turn.last).to_contain_text(re.compile("Marked words are new. Before: |The same answer as before"))
    expect(turn.last.get_by_role("button", name="Ask again")).to_have_count(0)


@pytest.mark.packaged
def test_under_an_answer_stand_the_passages_that_it_may_rest_on(page: Page):
    paste(page, TEXT)
    ask(page, QUESTION, "none")
    passages = page.locator("#conversation .evidence .passage")
    expect(passages.filter(has_text="30 copper coins")).to_have_count(1)
    first = passages.first
    first.focus()
    page.keyboard.press("Enter")
    lit = "[...(CSS.highlights.get('current') || [])].map(String).join()"
    assert page.evaluate(lit) == first.text_content()
    erase(page, "The toll today", "before noon.")
    ask(page, QUESTION, "full_recompute")
    newest = page.locator("#conversation .turn").last
    expect(newest.locator(".evidence")).to_have_count(1)
    expect(newest.locator(".passage").filter(has_text="30 copper coins")).to_have_count(0)
    ask(page, "Who won the World Cup of 1998?", "none")
    expect(page.locator("#conversation .turn").last.locator(".evidence")).to_contain_text(
        "Nothing in the document says so."
    )


@pytest.mark.packaged
def test_an_answer_streams_and_can_be_stopped_and_so_can_a_comparison(page: Page):
    paste(page, TEXT)
    page.locator("#question textarea").fill("Repeat the whole document word by word, all of it, twice.")
    page.locator("#ask").click()
    answer = page.locator("#conversation .turn .answer")
    expect(answer).to_have_text(re.compile(r"\w+ \w+ \w+"))
    page.locator("#conversation .stop").click()
    expect(page.locator("#conversation .turn .meta").first).to_contain_text("stopped")
    ask(page, QUESTION)
    expect(page.locator("#conversation .turn")).to_have_count(2)
    page.locator("#conversation .clear").click()
    expect(page.locator("#conversation .turn")).to_have_count(0)
    page.locator("#question textarea").fill(QUESTION)
    page.locator("#compare").click()
    page.locator("#cards .stop").click()
    expect(page.locator("#cards .stop")).to_have_count(0)
    assert 1 <= page.locator("#cards .time").count() < 3


@pytest.mark.parametrize(
    ("language", "instant", "exact_in", "hidden_in"),
    [
        ("en-US", "Answer: Instant", r"Exact, about [\d.]+ s", r"Answer: Hide it, about [\d.]+ s"),
        ("zh-CN", "回答方式：即时", r"精确，约 [\d.]+ 秒", r"回答方式：隐藏，约 [\d.]+ 秒"),
    ],
)
def test_methods_are_in_plain_words_with_the_seconds_to_expect(
    open_page: Callable[..., Page], language: str, instant: str, exact_in: str, hidden_in: str
):
    page = open_page(language=language)
    chip, exact = page.locator("#methods .chip > summary"), page.locator('#methods [data-method="full_recompute"]')
    paste(page, TEXT)
    expect(chip).to_have_text(instant)
    erase(page, "An old rule", "no longer in force.")
    chip.press("Enter")
    expect(exact).to_contain_text(re.compile(exact_in))
    expect(page.locator('#methods [data-method="erratum"]')).to_be_hidden()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(exact.get_by_role("radio")).to_be_checked()
    expect(chip).to_have_text(re.compile(exact_in))
    ask(page, QUESTION)
    expect(page.locator("#conversation .figures")).to_have_text(re.compile("^full_recompute · "))
    ask(page, QUESTION, "mask")
    expect(chip).to_have_text(re.compile(hidden_in))


def test_only_methods_that_there_is_an_eraser_for_are_offered(page: Page):
    paste(page, TEXT)
    expect(method_row(page, "kveraser_repair").get_by_role("radio")).to_be_checked()
    others = ["none", "mask", "delete_shift", "local_repair", "erratum", "kveraser_lookahead"]
    expect(page.locator("#methods code")).to_have_text(["kveraser_repair", "full_recompute", *others])


def test_an_answer_says_that_full_recompute_ran_instead(page: Page):
    paste(page, "The toll is 14 silver coins.\n\nShips pay at noon.")
    erase(page, "The toll", "silver coins.")
    ask(page, QUESTION, "local_repair")
    said = re.compile("^exact: full_recompute ran, since everything after the passage")
    expect(page.locator("#conversation .figures")).to_have_text(re.compile("^local_repair · "))
    expect(page.locator("#conversation .ran")).to_have_text(said)
    page.locator("#question textarea").fill(QUESTION)
    page.locator("#compare").click()
    expect(page.locator("#cards .card .time")).to_have_count(3)
    expect(page.locator('#cards [data-method="kveraser_repair"] .ran')).to_have_text(said)
    expect(page.locator("#cards .ran")).to_have_count(1)


def test_a_comparison_with_charts_is_taken_away(page: Page, tmp_path):
    paste(page, TEXT)
    erase(page, "An old rule", "no longer in force.")
    compare_by(page, "kveraser_lookahead")
    page.locator("#question textarea").fill(QUESTION)
    page.evaluate(_WATCH_CARDS)
    page.locator("#compare").click()
    cards = page.locator("#cards .card")
    expect(cards.locator(".time")).to_have_count(4)
    seen = page.evaluate("window.seen")
    assert (seen[0], seen[-1]) == ("0 of 4", "4 of 4")
    assert all(step.endswith(" of 4") for step in seen)
    reference = page.locator('#cards [data-method="full_recompute"]')
    expect(reference).to_contain_text("the reference")
    expect(reference.locator("mark")).to_have_count(0)
    expect(page.locator('#cards [data-method="kveraser_repair"]')).to_contain_text(
        re.compile(r"[\d.]+× (faster|slower) than full")
    )
    wanted = reference.locator(".answer").text_content()
    other = page.locator('#cards [data-method="none"]')
    if other.locator(".answer").text_content() != wanted:
        expect(other.locator("mark").first).to_be_visible()
    chart = page.locator("#cards figure.dots")
    names = ["Nothing erased", "Instant, without repair", "Instant", "Exact"]
    expect(chart.locator(".method")).to_have_text(names)
    expect(chart.get_by_role("img")).to_have_attribute("aria-label", re.compile(r"Instant [\d.]+ s; Exact [\d.]+ s$"))
    dots = [dot.bounding_box() for dot in chart.locator(".dot").all()]
    assert len({dot["y"] for dot in dots if dot}) == 4  # none hides another
    page.locator("#cards .figures summary").click()
    table = page.locator("#cards .figures table")
    expect(table.locator("tbody th")).to_have_text(
        ["none", "kveraser_lookahead", "kveraser_repair", "full_recompute"]
    )
    expect(table).not_to_contain_text("soon")
    expect(table.locator("tbody tr").last).to_contain_text("100")  # agrees with itself

    def taken(form: str) -> str:
        with page.expect_download() as download:
            page.locator(f"#cards .take-{form}").click()
        target = tmp_path / download.value.suggested_filename
        download.value.save_as(target)
        return target.read_text(encoding="utf-8")

    assert json.loads(taken("json"))["answers"][0]["erased"][0]["text"] is None
    page.locator("#cards").get_by_label("with the erased text").check()
    answers = json.loads(taken("json"))["answers"]
    assert {answer["method"] for answer in answers} == {
        "none",
        "kveraser_lookahead",
        "kveraser_repair",
        "full_recompute",
    }
    assert SECOND in answers[0]["erased"][0]["text"]
    assert answers[-1]["answer"] == wanted
    reference.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == wanted
    assert len(list(csv.DictReader(taken("csv").splitlines()))) >= 4
    assert QUESTION.replace("?", "") in taken("md")


def test_what_the_user_got_wrong_is_said(page: Page):
    for control in ("#ask", "#methods", "#cards .take-json", "#edits .undo"):
        expect(page.locator(control)).to_be_hidden()  # what needs a document comes with one
    page.locator("#read").click()
    toast(page, "There is no text yet: paste some first.")
    paste(page, TEXT)
    page.locator("#cards .take-json").click()
    toast(page, "There is nothing to take away yet")
    page.locator("#ask").click()
    toast(page, "The question is empty: type what you want to know.")
    page.locator("#question textarea").fill("y " * 9000)
    page.locator("#compare").click()
    toast(page, "ask a shorter one")
    compare_by(page, "none kveraser_repair full_recompute", ticked=False)
    page.locator("#question textarea").fill(QUESTION)
    page.locator("#compare").click()
    toast(page, "No erase method is ticked: tick at least one.")
    ask(page, QUESTION)


def test_a_suggested_question_can_be_asked_at_once(page: Page):
    pick_sample(page, "agent-log.txt")
    tip = page.locator("#conversation .tip").first
    wanted = tip.text_content() or ""
    page.evaluate("document.querySelector('#conversation .tip').click(); document.querySelector('#ask').click()")
    expect(page.locator("#conversation .asked").first).to_have_text(wanted)
    expect(page.locator("#conversation .figures")).to_have_count(1)
