"""Reading, finding, selecting, erasing, taking back, and similar passages, with a real mouse and keyboard."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.driving import FIRST, SECOND, TEXT, THIRD, drag, erase, painted, paste, pick_sample, toast
from tests.browser.serving import until

pytestmark = pytest.mark.browser
said = "#edits .said"


def test_hostile_text_is_shown_as_it_is(page: Page):
    paste(page, TEXT)
    assert page.locator(".doc p").all_text_contents()[:3] == [FIRST, SECOND, THIRD]
    assert page.title() == "KVEraser"
    erase(page, "The harbour office", "closes at five.")
    expect(page.locator("#edits .quote")).to_have_text(FIRST)
    until(lambda: painted(page) == FIRST)


@pytest.mark.parametrize(
    ("viewport", "scheme", "language"),
    [
        (DESKTOP, "light", "en-US"),
        (PHONE, "dark", "zh-CN"),
    ],
    ids=["desktop-light-en", "phone-dark-zh"],
)
def test_a_drag_across_paragraphs_erases_what_is_painted(open_page: Callable[..., Page], viewport, scheme, language):
    page = open_page(viewport, scheme, language)
    page.locator("#paste textarea").fill(TEXT)
    page.locator("#read").click()
    expect(page.locator(".doc p")).to_have_count(4)
    erase(page, "😀 and", "for every mast.")
    expect(page.locator(said).first).to_have_text(
        re.compile(
            r"Erased \d+ tokens in \d+ ms with kveraser_repair\.|已用 kveraser_repair 在 \d+ 毫秒内擦除 \d+ 个词元。"
        )
    )
    passage = TEXT[TEXT.index("😀 and") : TEXT.index("for every mast.") + len("for every mast.")]
    until(lambda: passage in painted(page))
    until(lambda: painted(page) in TEXT)
    expect(page.locator("#ask")).to_have_text("提问" if language == "zh-CN" else "Ask")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    shade = page.evaluate(
        "getComputedStyle(document.querySelector('.frame')).backgroundColor.match(/\\d+/g).map(Number)"
    )
    assert (max(shade) < 90) if scheme == "dark" else (min(shade) > 200)
    page.locator("#compare").click()
    toast(page, "问题为空：请输入您想知道的内容。" if language == "zh-CN" else "The question is empty")


def shade(page: Page) -> int:
    """How bright the page's ground is, from 0 to 255."""
    return int(page.evaluate("getComputedStyle(document.querySelector('.gradio-container')).color.match(/\\d+/)[0]"))


def test_dark_and_language_are_switched_and_kept(open_page: Callable[..., Page]):
    page = open_page()

    def by_name(name: str) -> Locator:
        return page.get_by_role("button", name=name, exact=True)

    before = shade(page)
    by_name("Dark").click()
    assert abs(shade(page) - before) > 100
    by_name("中文").click()
    by_name("English").wait_for()
    assert abs(shade(page) - before) > 100
    expect(page.locator("#read")).to_have_text("阅读这段文本")
    page.locator("#read").click()
    toast(page, "还没有文本")
    by_name("浅色").click()
    assert shade(page) == before
    by_name("English").click()
    by_name("Dark").wait_for()
    expect(page.locator("#read")).to_have_text("Read this text")
    page.evaluate("localStorage.clear()")  # other tests have this browser too
    open_page.errors.clear()  # type: ignore[attr-defined]  # of requests that were under way when it was loaded again


def test_what_is_painted_is_whole_tokens(page: Page):
    paste(page, TEXT)
    erase(page, "ilver coi", "ns for every m")
    until(lambda: "silver coins for every mast" in painted(page))


def test_erased_passages_are_taken_back_one_by_one_and_all(page: Page):
    paste(page, TEXT)
    erase(page, "An old rule", "no longer in force.")
    erase(page, "The toll today", "before noon.")
    expect(page.locator("#edits .edit")).to_have_count(2)
    assert page.locator(".strip .tick-erased").count() == 2
    page.locator(".doc .restore").first.click()
    expect(page.locator("#edits .edit")).to_have_count(1)
    until(lambda: painted(page).strip() == THIRD)
    buttons = page.locator("#edits .head")
    buttons.get_by_role("button", name="Undo").click()
    expect(page.locator("#edits .edit")).to_have_count(2)
    buttons.get_by_role("button", name="Redo").click()
    expect(page.locator("#edits .edit")).to_have_count(1)
    page.locator("#edits .edit").get_by_role("button", name="Restore").click()
    expect(page.locator("#edits .edit")).to_have_count(0)
    until(lambda: painted(page) == "")
    buttons.get_by_role("button", name="Undo").click()
    buttons.get_by_role("button", name="Restore all").click()
    expect(page.locator(said).first).to_have_text("Everything is back.")
    until(lambda: painted(page) == "")


def test_a_long_document_is_searched_paged_and_erased_across_a_page_break(page: Page):
    pick_sample(page, "policy-manual.pdf")
    top = "document.querySelector('.doc').scrollTop"
    page.locator(".find").fill("spring edition")
    expect(page.locator(".count")).to_have_text(re.compile(r"1 of \d+"))
    assert page.evaluate(top) > 100
    page.locator(".find").fill("no such words")
    expect(page.locator(".count")).to_have_text("not found")
    page.locator(".find").fill("")
    page.locator(".page-number").fill("10")
    page.locator(".page-number").press("Enter")
    visible = page.evaluate(
        """() => {
            const doc = document.querySelector('.doc');
            const mark = document.querySelector('[data-page="Page 10"]').getBoundingClientRect();
            return mark.top > doc.getBoundingClientRect().top && mark.bottom < doc.getBoundingClientRect().bottom;
        }"""
    )
    assert visible
    marks = page.locator(".doc .page-mark")
    assert marks.count() == 18
    before, after = page.evaluate(
        """() => {
            const mark = document.querySelectorAll('.doc .page-mark')[1];
            const [before, after] = [mark.previousElementSibling, mark.nextElementSibling];
            return [before.textContent.slice(-40), after.textContent.slice(0, 40)];
        }"""
    )
    erase(page, before.split("\n")[-1], after.split("\n")[0])
    text = painted(page)
    assert before.split("\n")[-1] in text
    assert after.split("\n")[0] in text
    assert "Page 3" not in text
    tick = page.locator(".strip .tick-erased")
    page.evaluate("document.querySelector('.doc').scrollTop = 1e6")
    tick.click()
    where = page.locator(".doc").bounding_box()
    mark = marks.nth(1).bounding_box()
    assert where["y"] < mark["y"] < where["y"] + where["height"]
    edge = page.evaluate("document.querySelector('.doc').clientWidth") + where["x"]
    assert edge - 16 < tick.bounding_box()["x"] < edge


def test_headings_are_headings(page: Page):
    pick_sample(page, "research-brief.md")
    expect(page.locator(".doc").get_by_role("heading", name="What we recommend")).to_be_visible()


def test_the_keyboard_selects_and_erases_sentences(page: Page):
    paste(page, TEXT)
    page.locator(".doc").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator(".bar")).to_be_visible()
    page.keyboard.press("Delete")
    expect(page.locator("#edits .edit")).to_have_count(1)
    until(lambda: painted(page).strip())
    until(lambda: painted(page) in TEXT)


def test_similar_passages_are_offered_shown_and_erased_too(page: Page):
    repeated = "The toll is 14 silver coins for every mast."
    text = "\n\n".join([repeated, "Ships anchor in the bay. " * 160, "By the way: " + repeated, THIRD])
    paste(page, text)
    erase(page, "The toll is 14", "for every mast.")
    offered = page.locator("#edits .found")
    expect(offered.filter(has_text="same words")).to_have_count(1)
    offered.filter(has_text="same words").get_by_role("button", name="Show").click()
    assert page.evaluate("document.querySelector('.doc').scrollTop") > 50
    offered.filter(has_text="same words").get_by_role("button", name="Erase too").click()
    expect(page.locator("#edits .edit")).to_have_count(2)
    until(lambda: painted(page).count("14 silver coins") == 2)


def test_all_repeats_are_erased_at_once_and_taken_back_at_once(page: Page):
    repeated = "The toll is 14 silver coins for every mast."
    paste(page, "\n\n".join([repeated, f"By the way: {repeated}", THIRD, f"Once more: {repeated}"]))
    erase(page, "The toll is 14", "for every mast.")
    page.locator("#edits").get_by_role("button", name="Erase all 2").click()
    expect(page.locator("#edits .edit")).to_have_count(3)
    until(lambda: painted(page).count("14 silver coins") == 3)
    page.locator("#edits").get_by_role("button", name="Undo").click()
    expect(page.locator("#edits .edit")).to_have_count(1)


def test_a_passage_that_contradicts_is_marked_where_it_differs(page: Page):
    erased = "The refund period in every shop is 14 days."
    other = "The refund period in every shop is <b>30</b> days."
    paste(page, "\n\n".join([erased, "Ships anchor in the bay at night.", other, THIRD]))
    erase(page, "The refund period in every shop is 14", "days.")
    found = page.locator("#edits .found").filter(has_text="30")
    expect(found).to_have_count(1)
    expect(found).to_contain_text("about the same thing")
    expect(found).not_to_contain_text("same words")
    assert "30" in "".join(found.locator("mark").all_text_contents())
    assert found.locator(".quote").text_content() == other
    expect(found.locator("b")).to_have_count(0)
    assert found.locator(".missing span").all_text_contents() == ["14"]
    button = found.get_by_role("button").last
    button.press("Enter")
    expect(button).to_have_text("It says something else: erase it?")
    expect(page.locator("#edits .edit")).to_have_count(1)
    assert painted(page) == erased
    button.press("Enter")
    expect(page.locator("#edits .edit")).to_have_count(2)


def test_a_search_says_how_far_it_is(page: Page):
    sentences = (
        f"On day {day} ship number {7 * day} came from harbour {day % 13} with {day % 31} masts."
        for day in range(250)
    )
    paste(page, "\n\n".join(sentences))
    page.evaluate("""() => {
      window.seen = [];
      const look = () => window.seen.push(document.querySelector('#edits').innerText);
      const all = { childList: true, subtree: true, characterData: true };
      new MutationObserver(look).observe(document.querySelector('#edits'), all);
    }""")
    drag(page, "On day 3", "3 masts.")
    page.locator(".bar").get_by_role("button", name="Find similar").click()
    looking = page.locator("#edits").get_by_text("about the same thing:")
    expect(looking).to_be_visible()
    button = page.locator("#edits").get_by_role("button", name="Restore all").element_handle()
    expect(looking).not_to_contain_text(" 0%")
    assert button.evaluate("button => button.isConnected")  # under a mouse that is just pressing it
    expect(page.locator("#edits .found").first).to_be_visible()
    percents = [
        int(percent) for text in page.evaluate("window.seen") for percent in re.findall(r"thing: (\d+)%", text)
    ]
    assert percents == sorted(percents)
    assert any(0 < percent < 100 for percent in percents)


def test_similar_and_ask_about_work_on_a_selection(page: Page):
    paste(page, TEXT)
    drag(page, "An old rule", "no longer in force.")
    page.locator(".bar").get_by_role("button", name="Find similar").click()
    expect(page.locator("#edits h3")).to_be_visible()
    drag(page, "The toll today", "copper coins")
    page.locator(".bar").get_by_role("button", name="Ask about this").click()
    expect(page.locator("#question textarea")).to_have_value(
        "About “The toll today at Larkmoor harbour is 30 copper coins”: "
    )
    expect(page.locator("#question textarea")).to_be_focused()
    until(lambda: painted(page) == "")


def test_tables_and_lists_are_drawn_as_such_and_erased_as_text(page: Page):
    paste(
        page,
        "- Rent is 800 euros.\n- Notice is 90 days.\n\nItem\tPrice\nKey\t20 euros\nParking\t60 euros\n\nSigned.",
    )
    expect(page.locator(".doc .item")).to_have_text(["- Rent is 800 euros.", "- Notice is 90 days."])
    expect(page.locator(".doc .td")).to_have_text(["Item", "Price", "Key", "20 euros", "Parking", "60 euros"])
    boxes = [page.locator(".doc .td").nth(at).bounding_box()["x"] for at in (1, 3, 5)]
    assert max(boxes) - min(boxes) < 2  # one column
    erase(page, "20 euros", "Parking")
    assert "20 euros\nParking" in painted(page)
    expect(page.locator("#edits .quote")).to_contain_text("20 euros Parking")


def test_keys_undo_redo_find_and_say_which_there_are(page: Page):
    paste(page, TEXT)
    erase(page, "An old rule", "no longer in force.")
    edits = page.locator("#edits .edit")
    expect(edits).to_have_count(1)
    page.locator(".doc").focus()
    page.keyboard.press("Control+z")
    expect(edits).to_have_count(0)
    page.keyboard.press("Control+Shift+z")
    expect(edits).to_have_count(1)
    page.keyboard.press("/")
    expect(page.locator(".find")).to_be_focused()
    page.keyboard.type("?/toll")
    expect(page.locator(".find")).to_have_value("?/toll")
    page.locator(".doc").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Ctrl")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_have_count(0)


def test_the_outline_goes_to_a_heading(page: Page):
    pick_sample(page, "research-brief.md")
    outline = page.get_by_label("Outline")
    headings = outline.locator("option").all_text_contents()[1:]
    assert len(headings) > 3
    outline.select_option(index=len(headings))
    last = page.get_by_role("heading", name=headings[-1].strip()).last
    expect(last).to_be_in_viewport()


def test_a_sample_opens_at_the_passage_it_is_about(page: Page):
    pick_sample(page, "agent-log.txt")
    expect(page.locator("#edits .tip")).to_have_count(1)
    page.wait_for_function("[...(CSS.highlights.get('current') || [])].join().startsWith('NOTICE TO ALL AI AGENTS')")


def test_on_a_phone_tabs_lead_to_the_parts_and_actions_lie_below_the_text(open_page: Callable[..., Page]):
    page = open_page(PHONE, "light", "zh-CN")
    tabs = page.locator(".tabs button")
    expect(tabs.first).to_be_hidden()
    paste(page, TEXT)
    for number, part in enumerate(("reading", "editing", "asking", "comparing")):
        tabs.nth(number).click()
        expect(page.locator(f"#{part}")).to_be_in_viewport()
        expect(tabs.nth(number)).to_have_attribute("aria-current", "true")
        expect(page.locator('.tabs [aria-current="true"]')).to_have_count(1)
    tabs.first.click()
    drag(page, "An old rule", "no longer in force.")
    bar = page.locator(".bar")
    expect(bar).to_be_in_viewport(ratio=1)
    assert bar.bounding_box()["y"] > page.locator(".doc p").nth(1).bounding_box()["y"]
    for button in [*bar.get_by_role("button").all(), *tabs.all()]:
        assert button.bounding_box()["height"] >= 44
    bar.get_by_role("button", name="擦除").click()
    expect(page.locator("#edits .edit")).to_have_count(1)
    page.set_viewport_size(DESKTOP)
    expect(tabs.first).to_be_hidden()
