"""What must go on, or stop, while the model is busy: a server in this process, its model held up at will."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import chain
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Route, expect
from transformers import PreTrainedTokenizerFast

import app.store
from app import work
from app.page import Page as AppPage
from app.store import OF_A_CLIENT, SessionStore
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Cancelled
from kveraser_core.sessions.session import DocumentSession
from tests.browser.driving import (
    SECOND,
    TEXT,
    ask,
    drag,
    erase,
    goto,
    open_panel,
    painted,
    paste,
    start_sample,
    toast,
    upload,
)
from tests.browser.serving import PATIENCE_S, until
from tests.serving import serve_here
from tests.tiny import ending_soon, tiny_model

pytestmark = pytest.mark.browser


class Held:
    """Stands in for the model's work: it goes on until it is let go, or told to stop, after so many `tokens`."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.tokens = 0

    def load(self, backbone, document, progress, cancelled, exact_soon):
        if document.title != "research-brief.md":
            return DocumentSession.load(backbone, document, progress, cancelled, exact_soon)
        if self.tokens:
            progress(self.tokens, 100 * self.tokens)
        self.begun.set()
        while not self.let_go.wait(0.05):
            if cancelled():
                raise Cancelled("Reading was cancelled: load the document again to go on.")
        return DocumentSession.load(backbone, document, progress, cancelled, exact_soon)


@pytest.fixture(scope="module")
def store() -> SessionStore:
    return SessionStore(idle_s=float("inf"))


@pytest.fixture(scope="module")
def address(tokenizer: PreTrainedTokenizerFast, store: SessionStore) -> str:
    backbone = Backbone(ending_soon(tiny_model("llama")), tokenizer, "tiny")
    return f"http://127.0.0.1:{serve_here(AppPage(backbone, store).blocks, store)}"


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Iterator[dict[str, list[BrowserContext]]]:
    """By language, one for each tab that a test opens: all tabs of a context share six connections."""
    kept = defaultdict[str, list[BrowserContext]](list)
    yield kept
    for context in chain(*kept.values()):
        context.close()


@pytest.fixture
def open_tab(
    browser: Browser, contexts: dict[str, list[BrowserContext]], address: str
) -> Iterator[Callable[..., Page]]:
    def opened(language: str = "en-US") -> Page:
        free = (context for context in contexts[language] if not context.pages)
        if (context := next(free, None)) is None:
            context = browser.new_context(locale=language)
            context.set_default_timeout(1000 * PATIENCE_S)
            contexts[language].append(context)
        page = context.new_page()
        goto(page, address)
        return page

    yield opened
    for context in chain(*contexts.values()):
        for page in context.pages:
            page.close()


@pytest.fixture
def gone(store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The tabs that the store was told are gone."""
    owners, leave = set[str](), store.leave

    def noted(owner: str) -> None:
        leave(owner)
        owners.add(owner)

    monkeypatch.setattr(store, "leave", noted)
    return owners


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    holding = Held()
    stand_in = type("Reading", (), {"load": staticmethod(holding.load)})
    monkeypatch.setattr(work, "DocumentSession", stand_in)
    monkeypatch.setattr(work, "check_fits", lambda *arguments: None)  # the sample is too long for the tiny model
    yield holding
    holding.let_go.set()


def test_a_reload_keeps_the_document_and_a_closed_tab_frees_it(
    open_tab: Callable[[], Page], store: SessionStore, gone: set[str], monkeypatch: pytest.MonkeyPatch
):
    page = open_tab()
    paste(page, TEXT)
    key = page.evaluate("sessionStorage.getItem('kveraser')")
    before = set(store._rooms[key].owners)
    page.reload()
    expect(page.locator(".doc p")).to_have_count(4)
    until(lambda: before <= gone)

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
    start_sample(leaving, "research-brief.md")
    until(held.begun.is_set)
    staying.locator("#paste textarea").fill(TEXT)
    staying.locator("#read").click()
    expect(staying.locator("#status").get_by_text("place 1 of 1")).to_be_in_viewport()
    leaving.close()
    expect(staying.locator(".doc p")).to_have_count(4)


def test_a_text_that_is_being_prefilled_can_be_read_and_given_up(open_tab: Callable[..., Page], held: Held, tmp_path):
    page, file = open_tab(), tmp_path / "research-brief.md"
    file.write_text(TEXT, encoding="utf-8")
    held.tokens = 5
    upload(page, file)
    expect(page.locator(".doc p").last).to_be_in_viewport()
    expect(page.locator("#question textarea")).to_be_hidden()
    page.locator(".doc").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".bar button:visible")).to_have_text(["Erase once it is read"])
    page.locator("#status .cancel").click()
    toast(page, "Reading was cancelled")
    expect(page.locator("#samples .try").first).to_be_visible()
    paste(page, TEXT)
    drag(page, "An old rule", "no longer in force.")


def test_what_is_marked_while_the_text_is_prefilled_is_erased_once_it_is(
    open_tab: Callable[..., Page], held: Held, tmp_path
):
    page, file = open_tab("zh-CN"), tmp_path / "research-brief.md"
    file.write_text(TEXT, encoding="utf-8")
    held.tokens = 5
    upload(page, file)
    expect(page.locator(".doc p").last).to_be_in_viewport()
    actions = page.locator(".bar button:visible")
    for first, last in (
        ("The harbour office", "at nine"),
        ("An old rule", "no longer in force."),
        ("The ferry", "pier."),
    ):
        drag(page, first, last)
        expect(actions).to_have_text(["读完后擦除"])
        actions.click()
    drag(page, "harbour office", "opens")
    expect(actions).to_have_text(["保留"])
    page.locator(".doc").focus()
    page.keyboard.press("Delete")
    assert painted(page, "pending") == f"{SECOND}\n\nThe ferry to the island leaves every hour from the second pier."
    held.let_go.set()
    expect(page.locator("#edits .edit")).to_have_count(2)
    until(lambda: painted(page).startswith(SECOND))
    page.locator("#edits .undo").click()
    expect(page.locator("#edits .edit")).to_have_count(0)


@pytest.mark.packaged
def test_similar_passages_are_found_while_the_model_is_busy(open_tab: Callable[[], Page], held: Held):
    busy, page = open_tab(), open_tab()
    repeated = "The toll is 14 silver coins for every mast."
    paste(page, f"{repeated}\n\nShips anchor in the bay.\n\nBy the way: {repeated}")
    start_sample(busy, "research-brief.md")
    until(held.begun.is_set)
    drag(page, "The toll is 14", "for every mast.")
    page.locator(".bar").get_by_role("button", name="Find similar").click()
    expect(page.locator("#edits .found").filter(has_text="same words")).to_have_count(1)
    assert not held.let_go.is_set()


def test_who_waits_is_told_the_place_in_the_queue(open_tab: Callable[..., Page], held: Held):
    """While one document is read, one user asks, one compares and two open other documents."""
    english, chinese = "Waiting for the model, place {} of {}", "正在等待模型：排在第 {} 位，共 {} 位"
    busy, asking, comparing, opening = open_tab(), open_tab("zh-CN"), open_tab(), open_tab()
    also_opening = open_tab("zh-CN")
    for page in (asking, comparing):
        paste(page, TEXT)
        page.locator("#question textarea").fill("What is the toll?")
    start_sample(busy, "research-brief.md")
    until(held.begun.is_set)
    asking.locator("#ask").click()
    expect(asking.locator("#conversation").get_by_text(chinese.format(1, 1))).to_be_in_viewport()
    comparing.locator("#compare").click()
    expect(comparing.locator("#cards").get_by_text(english.format(2, 2))).to_be_in_viewport()
    for place, (page, words) in enumerate(((opening, english), (also_opening, chinese)), start=3):
        page.locator("#paste textarea").fill(TEXT)
        page.locator("#read").click()
        expect(page.locator("#status").get_by_text(words.format(place, place))).to_be_in_viewport()
    expect(asking.locator("#conversation").get_by_text(chinese.format(1, 4))).to_be_in_viewport()
    expect(asking.locator("#question textarea")).to_have_value("What is the toll?")
    held.let_go.set()
    expect(asking.locator("#conversation .figures")).to_have_count(1)
    expect(asking.locator("#question textarea")).to_have_value("")
    expect(comparing.locator("#cards .card .time")).to_have_count(3)
    for page in (opening, also_opening):
        expect(page.locator(".doc p")).to_have_count(4)


def test_who_waits_can_stop_waiting(open_tab: Callable[..., Page], held: Held):
    busy, page = open_tab(), open_tab()
    paste(page, TEXT)
    start_sample(busy, "research-brief.md")
    until(held.begun.is_set)
    page.locator("#question textarea").fill("What is the toll?")
    page.locator("#ask").click()
    expect(page.locator("#conversation").get_by_text("place 1 of 1")).to_be_visible()
    page.locator("#conversation .stop").click()
    expect(page.locator("#conversation .meta")).to_contain_text("stopped")
    open_panel(page)
    page.locator("#paste textarea").fill("Another text.")
    page.locator("#read").click()
    expect(page.locator("#status").get_by_text("place 1 of 1")).to_be_visible()
    page.locator("#status .cancel").click()
    expect(page.locator(".toast-body")).to_contain_text("Reading was cancelled")
    expect(page.locator(".doc p")).to_have_count(4)
    assert not held.let_go.is_set()


def duplicate_of(page: Page) -> Page:
    """A second tab with the document of `page`."""
    key = page.evaluate("sessionStorage.getItem('kveraser')")
    duplicate = page.context.new_page()
    duplicate.add_init_script(f"sessionStorage.setItem('kveraser', '{key}')")
    goto(duplicate, page.url)
    expect(duplicate.locator(".doc p")).to_have_count(4)
    return duplicate


def test_both_tabs_of_a_document_show_what_was_done_in_either(open_tab: Callable[[], Page]):
    page = open_tab()
    paste(page, TEXT)
    duplicate = duplicate_of(page)
    erase(duplicate, "An old rule", "no longer in force.")
    ask(duplicate, "What is the toll?")
    expect(page.locator("#edits .edit")).to_have_count(0)
    page.evaluate("window.dispatchEvent(new Event('focus'))")  # as when the user comes back to it
    expect(page.locator("#edits .edit .quote")).to_have_text(SECOND)
    expect(page.locator("#edits .said").first).to_have_text("Changed in another tab.")
    expect(page.locator("#conversation .turn")).to_have_count(1)
    until(lambda: SECOND in painted(page))
    page.locator("#edits .undo").click()
    duplicate.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(duplicate.locator("#edits .edit")).to_have_count(0)


def test_a_duplicated_tab_that_closes_leaves_the_document_to_the_original(
    open_tab: Callable[[], Page], store: SessionStore, gone: set[str], monkeypatch: pytest.MonkeyPatch
):
    page = open_tab()
    paste(page, TEXT)
    key = page.evaluate("sessionStorage.getItem('kveraser')")
    original = set(store._rooms[key].owners)
    duplicate = duplicate_of(page)
    duplicates = store._rooms[key].owners - original
    assert duplicates
    duplicate.close()
    until(lambda: duplicates <= gone)
    with monkeypatch.context() as later:
        later.setattr(app.store, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 61))
        store.sweep()
    assert store.find(key)
    page.locator("#question textarea").fill("What is the toll?")
    page.locator("#ask").click()
    expect(page.locator("#conversation .figures")).to_have_count(1)


def test_a_page_whose_document_went_is_told_why(open_tab: Callable[..., Page], store: SessionStore):
    english, chinese = open_tab(), open_tab("zh-CN")
    for page in (english, chinese):
        paste(page, TEXT)
        page.locator("#question textarea").fill("What is the toll?")
    for number in range(OF_A_CLIENT):
        with store.room(1, "127.0.0.1") as room:
            store.add(store.find(english.evaluate("sessionStorage.getItem('kveraser')")) or number, room)
    for page, said in ((english, "to make room for others"), (chinese, "腾出内存")):
        page.locator("#ask").click()
        expect(page.locator(".toast-body")).to_contain_text(said)


def tick_kveraser(route: Route) -> None:
    """Change a request to compare as a page sends it that was loaded when there was an eraser."""
    body = route.request.post_data_json
    for entry in body["data"]:
        if isinstance(entry, dict) and "compare" in entry:
            entry["compare"].append("kveraser")
    route.continue_(post_data=body)


@pytest.mark.parametrize(("language", "said"), [("zh-CN", "该方法需要为其训练的擦除器")])
def test_a_method_that_fails_leaves_the_others_their_cards(open_tab: Callable[..., Page], language: str, said: str):
    page = open_tab(language)
    paste(page, TEXT)
    drag(page, "An old rule", "no longer in force.")
    page.locator(".bar .primary").click()
    expect(page.locator("#edits .edit")).to_have_count(1)
    page.route("**/queue/join*", tick_kveraser)
    page.locator("#question textarea").fill("What is the toll?")
    page.locator("#compare").click()
    failed = page.locator('#cards [data-method="kveraser"]')
    expect(failed.locator(".error")).to_contain_text(said)
    expect(page.locator("#cards .card .time")).to_have_count(3)
    page.reload()
    expect(failed.locator(".error")).to_contain_text(said)


def test_a_question_sent_just_as_the_stream_of_answers_ends_is_answered(open_tab: Callable[..., Page]):
    page, open_streams = open_tab(), set[Request]()
    page.on("request", lambda request: "/queue/data" in request.url and open_streams.add(request))
    page.on("requestfinished", lambda request: open_streams.discard(request))
    page.on("requestfailed", lambda request: open_streams.discard(request))
    paste(page, TEXT)
    page.locator("#question textarea").fill("What is the toll?")
    while open_streams:
        page.wait_for_timeout(50)
    streams: list[Route] = []
    page.route("**/queue/data*", lambda stream: streams.append(stream), times=1)
    page.locator("#cards .take-json").click()  # any event
    while not streams:
        page.wait_for_timeout(50)
    answers = streams[0].fetch()  # to its end
    with page.expect_response("**/queue/join*"):
        page.locator("#ask").click()
    streams[0].fulfill(response=answers)
    expect(page.locator("#conversation .figures")).to_have_count(1)
