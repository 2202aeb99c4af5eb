"""What must go on, or stop, while the model is busy: a server in this process, its model held up at will."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser, Page, expect

import app.store
from app import load_panel
from app.page import Page as AppPage
from app.server import serve
from app.store import SessionStore
from kveraser_core.backbone import Backbone
from kveraser_core.generation import Cancelled
from kveraser_core.session import DocumentSession
from tests.browser.driving import TEXT, drag, goto, paste, start_sample

pytestmark = pytest.mark.browser


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that happens outside the browser."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Held:
    """Stands in for the model's work: it goes on until it is let go, or told to stop."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()

    def load(self, backbone, document, progress, cancelled):
        if document.title != "research-brief.md":
            return DocumentSession.load(backbone, document, progress, cancelled)
        self.begun.set()
        while not self.let_go.wait(0.05):
            if cancelled():
                raise Cancelled("Reading was cancelled: load the document again to go on.")
        return DocumentSession.load(backbone, document, progress, cancelled)


@pytest.fixture
def store() -> SessionStore:
    return SessionStore(idle_s=float("inf"))


@pytest.fixture
def open_tab(browser: Browser, llama: Backbone, store: SessionStore) -> Iterator[Callable[[], Page]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run() -> None:
        serve(AppPage(llama, store).blocks, store, "127.0.0.1", port)

    threading.Thread(target=run, daemon=True).start()
    until(lambda: answers(port))
    contexts = []

    def opened() -> Page:
        context = browser.new_context()
        contexts.append(context)
        page = context.new_page()
        goto(page, f"http://127.0.0.1:{port}")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    holding = Held()
    stand_in = type("Reading", (), {"load": staticmethod(holding.load)})
    monkeypatch.setattr(load_panel, "DocumentSession", stand_in)
    yield holding
    holding.let_go.set()


def test_a_reload_keeps_the_document_and_a_closed_tab_frees_it(
    open_tab: Callable[[], Page], store: SessionStore, monkeypatch: pytest.MonkeyPatch
):
    page = open_tab()
    paste(page, TEXT)
    key = page.evaluate("sessionStorage.getItem('kveraser')")
    page.reload()
    expect(page.locator(".doc p")).to_have_count(4)
    page.wait_for_timeout(1000)

    def is_there_a_minute_later() -> bool:
        with monkeypatch.context() as later:
            later.setattr(app.store, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 61))
            store.sweep()
        return store.find(key) is not None

    assert is_there_a_minute_later()
    page.close()
    until(lambda: not is_there_a_minute_later())


def test_a_tab_closed_while_reading_lets_the_next_one_read(open_tab: Callable[[], Page], held: Held):
    leaving, staying = open_tab(), open_tab()
    start_sample(leaving, "Research brief")
    until(held.begun.is_set)
    staying.locator("#paste textarea").fill(TEXT)
    staying.locator("#read").click()
    expect(staying.locator("#status").get_by_text("queue: 1/1")).to_be_visible()
    leaving.close()
    expect(staying.locator(".doc p")).to_have_count(4)


@pytest.mark.packaged
def test_similar_passages_are_found_and_the_queue_is_told_while_the_model_is_busy(
    open_tab: Callable[[], Page], held: Held
):
    busy, page = open_tab(), open_tab()
    repeated = "The toll is 14 silver coins for every mast."
    paste(page, f"{repeated}\n\nShips anchor in the bay.\n\nBy the way: {repeated}")
    start_sample(busy, "Research brief")
    until(held.begun.is_set)
    drag(page, "The toll is 14", "for every mast.")
    page.locator(".bar").get_by_role("button", name="Find similar").click()
    expect(page.locator("#edits .found").filter(has_text="same words")).to_have_count(1)
    page.locator("#question textarea").fill("What is the toll?")
    page.locator("#ask").click()
    expect(page.locator("#conversation").get_by_text("queue: 1/1")).to_be_visible()
    assert not held.let_go.is_set()
    held.let_go.set()
    expect(page.locator("#conversation .figures")).to_have_count(1)
