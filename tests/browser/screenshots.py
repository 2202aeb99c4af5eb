"""Make the README's pictures anew, from the real page with the packaged model:

python -m tests.browser.screenshots

They go to assets/screenshots. The Chinese one needs a Chinese font (Debian: fonts-wqy-microhei or fonts-noto-cjk).
"""

import re
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.samples import samples
from tests.browser.conftest import DESKTOP, FLAGS, PHONE
from tests.browser.driving import ask, drag, goto, start_sample
from tests.browser.serving import ROOT, Server

FOLDER = ROOT / "assets" / "screenshots"
SAMPLE = next(sample for sample in samples() if sample.file == "research-brief.md")
QUESTION = SAMPLE.questions[0]["question"]


def main() -> None:
    """Start the app and take every picture."""
    expect.set_options(timeout=120_000)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder) / "log")
        server.start()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        try:
            _desktop(browser, server.address)
            _comparison(browser, server.address, "compare", "light", "en-US")
            _comparison(browser, server.address, "dark", "dark", "en-US")
            _comparison(browser, server.address, "chinese", "light", "zh-CN")
            _phone(browser, server.address)
        finally:
            browser.close()
            server.stop()


def _erased(browser: Browser, address: str, viewport: dict[str, int], scheme: str, language: str) -> Page:
    """The sample with its passage erased and the question in its box."""
    page = browser.new_context(viewport=viewport, color_scheme=scheme, locale=language).new_page()
    page.set_default_timeout(120_000)
    goto(page, address)
    start_sample(page, SAMPLE.file)
    page.locator("#edits .tip").click()
    expect(page.locator("#edits .edit")).to_have_count(1)
    expect(page.locator("#edits .found")).not_to_have_count(0)
    page.locator("#conversation .tip").first.click()
    expect(page.locator("#question textarea")).to_have_value(QUESTION)
    page.wait_for_timeout(2500)  # the passage that was shown stops glowing
    return page


def _desktop(browser: Browser, address: str) -> None:
    page = _erased(browser, address, DESKTOP, "light", "en-US")
    ask(page, QUESTION)
    drag(page, "The share of rain", "sixty-two percent.")
    page.evaluate("scrollTo(0, 0)")
    _picture(page, "page")


def _comparison(browser: Browser, address: str, name: str, scheme: str, language: str) -> None:
    page = _erased(browser, address, DESKTOP, scheme, language)
    page.locator("#compare").click()
    expect(page.locator("#cards .card .time")).to_have_count(3)
    soon = page.locator("#cards .figures td", has_text=re.compile("soon|稍后"))
    expect(soon).to_have_count(0)  # all are measured
    page.evaluate("document.querySelector('#comparing').scrollIntoView()")
    _picture(page, name)


def _phone(browser: Browser, address: str) -> None:
    page = _erased(browser, address, PHONE, "light", "en-US")
    page.evaluate("document.querySelector('#reading').scrollIntoView()")
    _picture(page, "phone")


def _picture(page: Page, name: str) -> None:
    page.wait_for_timeout(500)
    page.screenshot(path=FOLDER / f"{name}.png")
    page.context.close()


if __name__ == "__main__":
    main()
