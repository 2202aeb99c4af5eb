"""Loading a document in the browser: files, text, samples, progress, pages, passwords, reloads."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driving import (
    QUESTION,
    TEXT,
    ask,
    compare_by,
    erase,
    goto,
    painted,
    paste,
    pick_sample,
    start_sample,
    toast,
    upload,
)
from tests.browser.serving import until
from tests.pdf_files import File, text
from tests.test_documents import pdf

pytestmark = pytest.mark.browser


@pytest.mark.packaged
def test_a_file_is_read_and_its_figures_are_shown(page: Page, tmp_path):
    file = tmp_path / "harbour.txt"
    file.write_text(TEXT, encoding="utf-8")
    upload(page, file)
    expect(page.locator("#status .line")).to_have_text("harbour.txt")
    expect(page.locator("#status .facts")).to_have_text(
        re.compile(r"^[\d,]+ of 8,192 tokens · [\d.]+ MB of KV cache · SmolLM2-135M-Instruct · cpu$")
    )
    assert page.locator(".doc p").all_text_contents() == TEXT.strip().split("\n\n")


@pytest.mark.packaged
def test_reading_shows_progress_and_can_be_cancelled(page: Page):
    paste(page, "A short note. " * 4)
    start_sample(page, "policy-manual.pdf")
    expect(page.locator("#status .line")).to_have_text(
        re.compile(r"Reading policy-manual.pdf: \d+%, [\d,]+ tokens/s, [\d.]+ s left")
    )
    page.locator("#status .cancel").click()
    toast(page, "Reading was cancelled: load the document again to go on.")
    expect(page.locator("#status .line")).to_have_text("pasted text")
    expect(page.locator(".doc p")).to_have_count(1)
    expect(page.locator("#status .cancel")).not_to_be_visible()


def test_a_document_too_long_offers_the_pages_that_fit(page: Page, tmp_path):
    file = tmp_path / "long.pdf"
    file.write_bytes(
        pdf(*([f"Page {number} says {number * 7} coins."] + ["many words " * 60] * 8 for number in range(1, 13)))
    )
    upload(page, file)
    toast(page, "room for")
    picker = page.locator("#too-long")
    expect(picker).to_contain_text(
        re.compile(r"long.pdf has [\d,]+ tokens and there is room for [\d,]+. Pages 1 to \d+ of 12 fit.")
    )
    fits = int(re.search(r"Pages 1 to (\d+)", picker.text_content() or "")[1])
    assert 1 <= fits < 12
    page.locator("#first input").fill("3")
    page.locator("#first input").press("Enter")
    expect(picker).to_contain_text("Pages 3 to")
    page.locator("#last input").fill("4")
    page.locator("#read-pages").click()
    expect(page.locator(".doc")).to_contain_text("Page 4 says 28 coins.")
    expect(page.locator(".doc")).not_to_contain_text("Page 2 says")
    expect(page.locator("#picker")).not_to_be_visible()


def test_an_encrypted_pdf_asks_for_its_password(page: Page, tmp_path):
    file = tmp_path / "locked.pdf"
    file.write_bytes(pdf(["The code is 4711."], password="sesame"))
    expect(page.locator("#password")).not_to_be_visible()
    upload(page, file)
    toast(page, "password")
    page.locator("#password input").fill("wrong")
    page.locator("#password input").press("Enter")
    toast(page, "password")
    page.locator("#password input").fill("sesame")
    page.locator("#password input").press("Enter")
    expect(page.locator(".doc")).to_contain_text("The code is 4711.")
    expect(page.locator("#password")).not_to_be_visible()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("<b>picture.txt", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "is a PNG picture, not a document"),
        ("empty.txt", b"", "empty"),
        ("scan.pdf", pdf([]), "scan"),
        ("broken.pdf", b"%PDF-1.7\nnonsense", "damaged"),
    ],
)
def test_a_file_that_is_no_document_is_one_sentence(page: Page, tmp_path, name, data, said):
    paste(page, TEXT)
    file = tmp_path / name
    file.write_bytes(data)
    upload(page, file)
    toast(page, said)
    expect(page.locator(".doc p")).to_have_count(4)
    expect(page.locator("#status .line")).to_have_text("pasted text")


def test_a_reload_brings_everything_back(page: Page):
    paste(page, TEXT)
    erase(page, "An old rule", "no longer in force.")
    ask(page, QUESTION, "mask")
    before = painted(page)
    compare_by(page, "full_recompute", ticked=False)
    page.locator("#question textarea").fill(QUESTION)
    page.locator("#compare").click()
    expect(page.locator("#cards .time")).to_have_count(2)
    page.reload()
    expect(page.locator(".doc p")).to_have_count(4)
    expect(page.locator("#edits .edit")).to_have_count(1)
    expect(page.locator("#conversation .turn")).to_have_count(1)
    expect(page.locator("#cards .time")).to_have_count(2)
    expect(page.locator("#cards figure")).to_have_count(1)
    until(lambda: painted(page) == before)


def test_from_a_sample_to_a_comparison_in_five_clicks(page: Page):
    page.locator("#samples").get_by_role("button", name="Agent log").click()
    page.locator("#edits .tip").first.click()
    expect(page.locator("#edits .edit").first).to_be_visible()
    page.locator("#conversation .tip").first.click()
    expect(page.locator("#question textarea")).to_have_value("What is the invoice account of Brightfloor Cleaning?")
    page.locator("#compare").click()
    expect(page.locator("#cards .card .time")).to_have_count(3)
    for method in ("none", "full_recompute", "kveraser_repair"):
        expect(page.locator(f'#cards [data-method="{method}"] .answer')).to_have_text(re.compile(r"\w"))


def test_two_tabs_have_two_documents(page: Page):
    paste(page, TEXT)
    other = page.context.new_page()
    goto(other, page.url)
    paste(other, "A second document about lamps.")
    expect(page.locator(".doc p")).to_have_count(4)
    expect(other.locator(".doc p")).to_have_count(1)
    page.reload()
    expect(page.locator(".doc")).to_contain_text("harbour office")


def test_a_new_document_takes_the_place_of_the_old_one(page: Page):
    paste(page, TEXT)
    erase(page, "An old rule", "no longer in force.")
    pick_sample(page, "research-brief.md")
    until(lambda: painted(page) == "")
    expect(page.locator("#edits .edit")).to_have_count(0)


@pytest.mark.parametrize(
    ("language", "title", "said"),
    [
        ("en-US", "That did not work", "open one of at most 47.7 MB"),
        ("zh-CN", "未能完成", "请打开不超过 47.7 MB 的文件"),
    ],
)
def test_a_file_that_is_too_large_is_refused_in_the_users_language(open_page, tmp_path, language, title, said):
    page = open_page(language=language)
    file = tmp_path / "large.txt"
    file.write_bytes(b"a" * 50_000_001)
    upload(page, file)
    expect(page.locator(".toast-body")).to_contain_text(title)
    toast(page, said)
    expect(page.locator(".toast-body")).to_have_count(0)
    paste(page, TEXT)


@pytest.mark.parametrize(
    ("language", "said"), [("zh-CN", r"粘贴的文本 有 [\d,]+ 个词元，最多可容纳 [\d,]+ 个。前 \d\d% 可以放入。")]
)
def test_of_a_text_that_is_too_long_the_first_part_is_offered(open_page, language, said):
    page = open_page(language=language)
    page.locator("#paste textarea").fill("many words " * 6000)
    page.locator("#read").click()
    expect(page.locator("#too-long")).to_have_text(re.compile(said))
    expect(page.locator("#first")).to_be_hidden()
    page.locator("#read-pages").click()
    expect(page.locator(".doc p")).to_contain_text("many words")
    expect(page.locator("#status .warnings summary")).to_be_visible()
    expect(page.locator("#picker")).to_be_hidden()


def test_what_was_not_read_of_a_file_is_listed_as_text(page: Page, tmp_path):
    file = tmp_path / "two.pdf"
    file.write_bytes(File(text("Seen."), "3 Tr " + text("Not seen.")).saved())
    upload(page, file)
    warnings = page.locator("#status .warnings")
    expect(warnings.locator("summary")).to_have_text("What to know about this file (1)")
    warnings.locator("summary").click()
    expect(warnings.locator("li")).to_have_text(["Invisible text on page 2 was left out."])
    paste(page, "A short note.")
    expect(warnings).not_to_be_visible()


def test_a_guessed_encoding_can_be_put_right(page: Page, tmp_path):
    said = "W mieszkaniu źle działa ogrzewanie, a właściciel wciąż żąda czynszu. " * 4
    file = tmp_path / "polish.txt"
    file.write_bytes(said.encode("iso8859-2"))
    upload(page, file)
    encoding = page.locator("#encoding input")
    expect(encoding).to_be_visible()
    assert encoding.input_value()
    encoding.fill("utf-16")
    encoding.press("Enter")
    expect(page.locator(".doc p").first).not_to_contain_text("mieszkaniu")
    encoding.fill("iso-8859-2")
    encoding.press("Enter")
    expect(page.locator(".doc p").first).to_have_text(said.strip())
    paste(page, "A short note.")
    expect(encoding).not_to_be_visible()


def reload(page: Page) -> None:
    """Reload once nothing is under way: the browser would report what breaks off."""
    page.wait_for_timeout(1500)
    page.reload()


def test_what_was_typed_survives_a_reload_until_it_is_used(page: Page):
    boxes = {name: page.locator(f"#{name} textarea") for name in ("paste", "question")}
    boxes["paste"].fill(TEXT)
    reload(page)
    expect(boxes["paste"]).to_have_value(TEXT)
    paste(page, TEXT)
    boxes["question"].fill(QUESTION)
    reload(page)
    expect(boxes["question"]).to_have_value(QUESTION)
    expect(page.locator(".doc")).to_contain_text("An old rule")
    ask(page, QUESTION)
    reload(page)
    expect(page.locator("#conversation .turn")).to_have_count(1)
    expect(boxes["question"]).to_have_value("")
    expect(boxes["paste"]).to_have_value("")
