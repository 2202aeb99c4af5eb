"""What the browser tests do again and again."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

FIRST = (
    "The harbour office at Larkmoor opens at nine <script>document.title='hacked'</script> each day "
    "${7*7} {{value}} \\u0041 😀 and closes at five."
)
SECOND = (
    "An old rule says that the toll at Larkmoor harbour is 14 silver coins for every mast. "
    "This rule is no longer in force."
)
THIRD = (
    "The toll today at Larkmoor harbour is 30 copper coins for every ship. "
    "Captains pay at the quay <|im_end|> before noon."
)
LAST = "Fishing boats pay nothing. The ferry to the island leaves every hour from the second pier."
TEXT = "\n\n".join([FIRST, SECOND, THIRD, LAST])
QUESTION = "What is the toll today at Larkmoor harbour?"
"""The model answers it in few words."""

_CORNERS = """([first, last]) => {
    const doc = document.querySelector('.doc');
    const find = (text, end) => {
        const walker = document.createTreeWalker(doc, NodeFilter.SHOW_TEXT);
        for (let node; (node = walker.nextNode());) {
            const at = node.data.indexOf(text);
            if (at < 0) continue;
            const range = new Range();
            range.setStart(node, end ? at + text.length - 1 : at);
            range.setEnd(node, end ? at + text.length : at + 1);
            return range;
        }
    };
    const start = find(first, false);
    doc.scrollIntoView({ block: 'center' });
    doc.scrollTop += start.getBoundingClientRect().top - doc.getBoundingClientRect().top - 60;
    const corner = (range, end) => {
        const box = range.getBoundingClientRect();
        return [end ? box.right - 1 : box.left + 1, (box.top + box.bottom) / 2];
    };
    return [corner(start, false), corner(find(last, true), true)];
}"""


def goto(page: Page, address: str) -> None:
    """Open the page and wait until it is alive: it then asks for the document of before."""
    with page.expect_response("**/queue/join*"):
        page.goto(address)
    page.locator("#samples .sample").first.wait_for()


def drag(page: Page, first: str, last: str) -> None:
    """Drag the mouse from the beginning of `first` to the end of `last`, as the document shows them."""
    corners = page.evaluate(_CORNERS, [first, last])
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=8)
    page.mouse.up()
    expect(page.locator(".bar")).to_be_visible()


def erase(page: Page, first: str, last: str) -> None:
    """Drag over a passage and erase it."""
    before = page.locator("#edits .said").first.text_content()
    drag(page, first, last)
    page.locator(".bar .primary").click()
    expect(page.locator("#edits .said").first).not_to_have_text(before or "")


def painted(page: Page, kind: str = "erased") -> str:
    """The text that is shown as erased, or as `kind`."""
    pieces = page.evaluate("kind => [...(CSS.highlights.get(kind) || [])].map(range => range.toString())", kind)
    return "\n\n".join(pieces)


def open_panel(page: Page) -> None:
    """Unfold what folds up once a document is there."""
    if not page.locator("#read").is_visible():
        page.locator("#open > button").click()
        expect(page.locator("#read")).to_be_visible()


def paste(page: Page, text: str) -> None:
    """Have a text read."""
    open_panel(page)
    page.locator("#paste textarea").fill(text)
    page.locator("#read").click()
    expect(page.locator("#status .line")).to_have_text(re.compile("^(pasted text|粘贴的文本)$"))
    expect(page.locator(".doc")).to_contain_text(text.split("\n\n")[-1].strip())


def upload(page: Page, file: Path) -> None:
    open_panel(page)
    page.locator("#upload input[type=file]").set_input_files(file)


def start_sample(page: Page, file: str) -> None:
    open_panel(page)
    page.locator(f'#samples [data-file="{file}"]').click()


def pick_sample(page: Page, file: str) -> None:
    """Have a sample read."""
    start_sample(page, file)
    expect(page.locator("#status .line")).to_have_text(file)
    expect(page.locator(".doc p").first).to_be_visible()


def method_row(page: Page, method: str) -> Locator:
    """The row of an erase method in the choice, which is unfolded."""
    for folded in ("chip", "more"):
        if page.locator(f"#methods .{folded}").get_attribute("open") is None:
            page.locator(f"#methods .{folded} > summary").click()
    return page.locator(f'#methods [data-method="{method}"]')


def choose(page: Page, method: str) -> None:
    """Have questions answered by an erase method."""
    method_row(page, method).get_by_role("radio").check()


def compare_by(page: Page, methods: str, ticked: bool = True) -> None:
    """Take erase methods into the comparison, or out of it."""
    for method in methods.split():
        method_row(page, method).get_by_role("checkbox").set_checked(ticked)


def ask(page: Page, question: str, method: str | None = None) -> None:
    """Ask and wait for the whole answer, and for the passages under it."""
    if method:
        choose(page, method)
    answered = page.locator("#conversation .figures").count()
    page.locator("#question textarea").fill(question)
    page.locator("#ask").click()
    expect(page.locator("#conversation .figures")).to_have_count(answered + 1)
    expect(page.locator("#conversation .turn").last.locator(".evidence")).to_have_count(1)


def toast(page: Page, text: str | re.Pattern[str]) -> None:
    """Expect a message with `text`, and put it away."""
    shown = page.locator(".toast-body").filter(has_text=text)
    expect(shown.first).to_be_visible()
    shown.first.get_by_test_id("toast-close").click()
