"""Accessibility by axe-core, and a page that never blocks, measured in Chromium's own trace."""

import json
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.driving import QUESTION, TEXT, ask, drag, erase, paste, pick_sample, start_sample

pytestmark = [pytest.mark.browser, pytest.mark.packaged]
LONGEST_MS = 200


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_no_serious_fault(open_page: Callable[..., Page], viewport):
    """In light, and after a reload, which brings all of it back, in dark."""
    page = open_page(viewport)
    assert serious(page) == []
    paste(page, TEXT)
    erase(page, "An old rule", "no longer in force.")
    ask(page, QUESTION)
    page.locator("#question textarea").fill(QUESTION)
    page.locator("#compare").click()
    expect(page.locator("#cards .card dl")).to_have_count(3)
    drag(page, "The toll today", "copper coins")
    assert serious(page) == []
    page.emulate_media(color_scheme="dark")
    page.reload()
    expect(page.locator("#cards figure")).to_have_count(2)
    drag(page, "The toll today", "copper coins")
    assert page.evaluate("document.querySelector('.dark') !== null")
    assert serious(page) == []


def test_the_page_stays_fluid_while_the_model_works(browser: Browser, page: Page, tmp_path):
    """With a prefill of some 7,000 tokens running, typing, scrolling and selecting never wait."""
    pick_sample(page, "Policy manual", "policy-manual.pdf")
    trace = tmp_path / "trace.json"
    browser.start_tracing(page=page, path=trace, categories=["devtools.timeline", "toplevel"])
    start_sample(page, "Policy manual")
    expect(page.locator("#status .cancel")).to_be_visible()
    for _ in range(10):
        page.locator(".doc").hover()
        page.mouse.wheel(0, 900)
    page.locator("#question textarea").press_sequentially("What is the refund period?", delay=10)
    box = page.locator(".doc").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 350, steps=15)
    page.mouse.up()
    expect(page.locator(".bar")).to_be_visible()
    expect(page.locator("#status .cancel")).to_be_visible()
    browser.stop_tracing()
    events = json.loads(trace.read_text())["traceEvents"]
    names = {
        (event["pid"], event["tid"]): event["args"]["name"] for event in events if event["name"] == "thread_name"
    }
    tasks = [
        event["tdur"] / 1000 if "tdur" in event else event["dur"] / 1000
        for event in events
        if event.get("ph") == "X" and names.get((event["pid"], event["tid"])) == "CrRendererMain"
    ]
    assert len(tasks) > 50
    assert max(tasks) < LONGEST_MS
    page.locator("#status .cancel").click()
