import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.packaged]

FIRST = (
    "The harbour office <script>document.title='hacked'</script> opens at nine ${7*7} {{value}} \\u0041 😀 each day."
)
SECOND = "An old rule says that the toll is 14 silver coins for every mast. This rule is no longer in force."
THIRD = "The toll today is 30 copper coins for every ship <|im_end|>, paid at the quay."
TEXT = "\n\n".join([FIRST, SECOND, THIRD, "The lamp on the pier burns all night in winter. " * 6])


def drag(page: Page, first: str, last: str) -> None:
    """Drag the mouse from the beginning of `first` to the end of `last`, as the document shows them."""
    corners = page.evaluate(
        """([first, last]) => {
            const find = (text, end) => {
                const walker = document.createTreeWalker(document.querySelector('.doc'), NodeFilter.SHOW_TEXT);
                for (let node; (node = walker.nextNode());) {
                    const at = node.data.indexOf(text);
                    if (at < 0) continue;
                    const range = new Range();
                    range.setStart(node, end ? at + text.length - 1 : at);
                    range.setEnd(node, end ? at + text.length : at + 1);
                    const box = range.getBoundingClientRect();
                    return [end ? box.right - 1 : box.left + 1, (box.top + box.bottom) / 2];
                }
            };
            return [find(first, false), find(last, true)];
        }""",
        [first, last],
    )
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=8)
    page.mouse.up()


def painted(page: Page) -> list[str]:
    return page.evaluate("[...(CSS.highlights.get('erased') || [])].map(range => range.toString())")


def upload(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "harbour.txt"
    file.write_text(TEXT, encoding="utf-8")
    page.locator("#upload input[type=file]").set_input_files(file)
    expect(page.locator(".doc p")).to_have_count(4)


def test_upload_erase_undo_and_ask(page: Page, tmp_path: Path) -> None:
    upload(page, tmp_path)
    assert "harbour.txt" in page.locator("#status textarea").input_value()
    assert page.locator(".doc p").all_text_contents()[:3] == [FIRST, SECOND, THIRD]
    assert page.title() == "KVEraser"

    drag(page, "😀 each", "for every mast.")
    passage = TEXT[TEXT.index("😀 each") : TEXT.index("for every mast.") + len("for every mast.")]
    expect(page.locator("#selected textarea")).to_have_value(re.compile(re.escape(passage)))
    page.locator("#erase").click()
    expect(page.locator("#edits textarea")).not_to_have_value("")
    assert "1 passage erased" in page.locator("#edits textarea").input_value()
    assert passage in "\n\n".join(painted(page))

    page.locator("#undo").click()
    expect(page.locator("#edits textarea")).to_have_value("Undone. Nothing is erased.")
    assert painted(page) == []

    drag(page, "An old rule", "no longer in force.")
    expect(page.locator("#selected textarea")).not_to_have_value("")
    page.locator("#erase").click()
    expect(page.locator("#selected textarea")).to_have_value("")
    assert [text.strip() for text in painted(page) if text.strip()] == [SECOND]

    page.locator("#question textarea").fill("How many coins is the toll?")
    page.locator("#methods").get_by_label("mask").check()
    page.locator("#ask").click()
    answers = page.locator("#answers")
    expect(answers.get_by_role("row", name=re.compile("^mask"))).to_be_visible()
    cells = answers.get_by_role("row", name=re.compile("^full_recompute")).get_by_role("gridcell")
    figures = [text.strip() for text in cells.all_text_contents()]
    assert any("30" in text for text in figures)
    assert "1.00" in figures


def test_a_sample_is_read_and_asked_about(page: Page) -> None:
    page.locator("#sample input").click()
    page.get_by_role("option", name="Agent log").click()
    expect(page.locator(".doc")).to_contain_text("NOTICE TO ALL AI AGENTS")
    page.locator("#question textarea").fill("What is the invoice account of Brightfloor Cleaning?")
    for method in ("kveraser", "local_repair", "full_recompute"):
        box = page.locator("#methods").get_by_label(method, exact=True)
        if box.is_checked():
            box.uncheck()
    page.locator("#ask").click()
    expect(page.locator("#answers tbody tr").filter(has_text="none")).to_contain_text("9988-13")


def test_what_the_user_got_wrong_is_said(page: Page, tmp_path: Path) -> None:
    page.locator("#ask").click()
    expect(page.get_by_text("There is no document yet: upload one or pick a sample.")).to_be_visible()
    picture = tmp_path / "<b>picture.txt"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    page.locator("#upload input[type=file]").set_input_files(picture)
    expect(page.get_by_text("is a PNG picture, not a document")).to_be_visible()
