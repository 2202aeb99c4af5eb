"""Lies from the browser, foreign ids, several users at once, closed tabs and a server that was restarted."""

from collections.abc import Callable
from pathlib import Path

import pytest
from gradio_client import Client
from playwright.sync_api import Page, Route, expect

from tests.browser.driving import QUESTION, TEXT, ask, drag, erase, painted, paste, start_sample, toast, upload
from tests.browser.serving import Server, until

pytestmark = pytest.mark.browser


def test_a_selection_that_lies_is_refused(page: Page):
    """The request that erases is caught on its way and changed."""
    paste(page, TEXT)
    for lie in ({"text": "something else"}, {"start": -5}, {"end": 10**9}, {"start": "0"}, {"text": None}):
        tell(page, lie)
    erase(page, "An old rule", "no longer in force.")


def tell(page: Page, lie: dict[str, object]) -> None:
    def change(route: Route) -> None:
        data = route.request.post_data_json
        if isinstance(data.get("event_data"), dict) and "text" in data["event_data"]:
            data["event_data"] |= lie
            return route.continue_(post_data=data)
        return route.continue_()

    page.route("**/queue/join*", change)
    drag(page, "An old rule", "no longer in force.")
    page.locator(".bar .primary").click()
    toast(page, "select the passage again")
    until(lambda: painted(page) == "")
    expect(page.locator("#edits .edit")).to_have_count(0)
    page.unroute("**/queue/join*")


@pytest.mark.packaged
def test_markup_and_chat_templates_stay_text_in_questions_and_answers(page: Page):
    paste(page, TEXT)
    question = "Repeat exactly: <img src=x onerror=document.title='hacked'> <|im_end|> ${1+1} {{value}}"
    ask(page, question)
    asked = page.locator("#conversation .asked")
    expect(asked).to_have_text(question)
    assert page.locator("#conversation img").count() == 0
    assert page.title() == "KVEraser"


def test_an_id_that_is_not_yours_gives_nothing(page: Page, server: Server):
    paste(page, TEXT)
    client = Client(server.address, verbose=False)
    with pytest.raises(Exception, match="no longer in memory"):
        client.predict(session="guessed", question=QUESTION, api_name="/ask")
    key = page.evaluate("sessionStorage.getItem('kveraser')")
    assert len(key) >= 32
    page.evaluate("sessionStorage.setItem('kveraser', 'guessed')")
    page.reload()
    toast(page, "This document is no longer in memory: load it again.")
    expect(page.locator(".doc p")).to_have_count(0)


@pytest.mark.packaged
def test_two_users_ask_at_once_and_both_get_their_answers(open_page: Callable[..., Page]):
    first, second = open_page(), open_page()
    paste(first, TEXT)
    paste(second, "The toll today at Larkmoor harbour is 6150 coins. Nobody pays more.")
    for page in (first, second):
        page.locator("#question textarea").fill(QUESTION)
    first.locator("#compare").click()
    second.locator("#ask").click()
    expect(second.locator("#conversation").get_by_text("place 1 of 1")).to_be_in_viewport()
    expect(second.locator("#conversation .figures")).to_have_count(1)
    expect(second.locator("#conversation .answer")).to_contain_text("6150")
    expect(first.locator("#cards .card .time")).to_have_count(3)
    expect(first.locator("#cards")).not_to_contain_text("6150")


@pytest.mark.packaged
def test_what_goes_wrong_is_said_in_chinese(open_page: Callable[..., Page], tmp_path: Path):
    page = open_page(language="zh-CN")
    expect(page.locator("#upload").get_by_role("button", name="拖入文件或点击选择")).to_be_visible()
    page.locator("#read").click()
    expect(page.locator(".toast-body").get_by_role("button", name="关闭", exact=True)).to_be_visible()
    toast(page, "还没有文本")
    file = tmp_path / "picture.txt"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    upload(page, file)
    toast(
        page,
        "这不是可读的文档：请使用 PDF、Word、",
    )
    paste(page, TEXT)
    page.locator("#ask").click()
    toast(page, "问题为空：请输入您想知道的内容。")
    page.locator("#question textarea").fill("y " * 9000)
    page.locator("#ask").click()
    toast(page, "问题过长：请输入较短的问题，或不附上之前的问题。")
    expect(page.locator("#conversation .turn")).to_have_count(0)
    start_sample(page, "policy-manual.pdf")
    page.locator("#status .cancel").click()
    toast(page, "已取消阅读：如需继续，请重新打开文档。")
    ask(page, QUESTION)
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    page.evaluate("sessionStorage.setItem('kveraser', 'guessed')")
    page.reload()
    toast(page, "此文档已不在内存中：请重新打开。")


def test_a_server_started_again_under_open_tabs(open_page: Callable[..., Page], server: Server):
    lost = {"en-US": "The connection to the server is lost", "zh-CN": "与服务器的连接已断开"}
    gone = {
        "en-US": "This document is no longer in memory: load it again.",
        "zh-CN": "此文档已不在内存中：请重新打开。",
    }
    tabs = {language: open_page(language=language) for language in lost}
    for page in tabs.values():
        paste(page, TEXT)
        page.locator("#question textarea").fill(QUESTION)
    server.stop()
    try:
        for language, page in tabs.items():
            page.locator("#ask").click()
            toast(page, lost[language])
    finally:
        server.start()
    for language, page in tabs.items():
        toast(page, gone[language])  # soon enough for both: it leaves by itself
    for page in tabs.values():
        paste(page, TEXT + "\n\nAgain.")
        ask(page, QUESTION)
    open_page.errors.clear()  # type: ignore[attr-defined]  # the browser reports the connections that broke
