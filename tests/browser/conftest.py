"""The real server, driven in headless Chromium.

A tiny random model answers, at once and without sense; tests marked `packaged` get the packaged model, whose
words they check or whose slowness they need.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from transformers import PreTrainedTokenizerFast

from app.samples import samples
from kveraser_core.documents import load_document
from tests.browser.driving import TEXT, goto
from tests.browser.serving import PATIENCE_S, Server
from tests.tiny import ending_soon, save_adapter_of, tiny_model, trained_tokenizer

expect.set_options(timeout=1000 * PATIENCE_S)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
WINDOW = 8192
"""Tokens, as in the packaged model's window."""


@pytest.fixture(scope="session")
def samples_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of the samples' and the tests' words, which makes about as many tokens as the packaged one."""
    return trained_tokenizer([*(load_document(sample.path).text for sample in samples()), *[TEXT] * 20], 4000)


@pytest.fixture(scope="session")
def tiny_server(
    tmp_path_factory: pytest.TempPathFactory, samples_tokenizer: PreTrainedTokenizerFast
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tiny-server")
    sizes = {"vocab_size": len(samples_tokenizer), "max_position_embeddings": WINDOW}
    ending_soon(tiny_model("llama", **sizes)).save_pretrained(folder / "model")
    samples_tokenizer.save_pretrained(folder / "model")
    save_adapter_of(tiny_model("llama", "sdpa", **sizes), folder / "eraser")
    (folder / "eraser" / "steering.json").write_text(json.dumps({"method": "kveraser_lookahead", "lookahead": 16}))
    running = Server(folder / "log", "--model", str(folder / "model"), "--eraser", str(folder / "eraser"))
    running.launch()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def packaged_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("packaged-server") / "log")
    running.launch()
    yield running
    running.stop()


@pytest.fixture
def server(request: pytest.FixtureRequest, tiny_server: Server) -> Server:
    """Where the packaged one is needed first, the tiny one gets ready too while that is used."""
    packaged = request.node.get_closest_marker("packaged")
    wanted: Server = request.getfixturevalue("packaged_server") if packaged else tiny_server
    wanted.wait()
    return wanted


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, where there is one without a window of its own: that takes a second for each tab."""
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def contexts(browser: Browser) -> dict[tuple[Any, ...], BrowserContext]:
    """The browser's contexts by what tells them apart; each keeps the page's scripts for the next test's tab."""
    return {}


@pytest.fixture
def open_page(
    browser: Browser, contexts: dict[tuple[Any, ...], BrowserContext], server: Server
) -> Iterator[Callable[..., Page]]:
    """Opens the page in a tab of its own; the test fails if the browser reports an error."""
    errors = list[str]()

    def opened(viewport: dict[str, int] = DESKTOP, scheme: str = "light", language: str = "en-US") -> Page:
        kind = server.address, *viewport.values(), scheme, language
        if kind not in contexts:
            context = browser.new_context(viewport=viewport, color_scheme=scheme, locale=language)
            context.set_default_timeout(1000 * PATIENCE_S)
            context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.address)
            contexts[kind] = context
        page = contexts[kind].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        goto(page, server.address)
        return page

    opened.errors = errors  # type: ignore[attr-defined]
    yield opened
    for context in contexts.values():
        for page in context.pages:
            page.close()
    assert errors == []


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    return open_page()
