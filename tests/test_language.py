"""The language of the page: the one chosen on it, else the browser's; Gradio's scripts are told before they run."""

import httpx
import pytest
from starlette.datastructures import Headers

from app.language import language_of


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({"accept-language": "zh-CN,zh;q=0.9"}, "zh-CN,zh;q=0.9"),
        ({"accept-language": "zh-CN", "cookie": "a=b; kveraser-language=en"}, "en"),
        ({"accept-language": "en-US", "cookie": "kveraser-language=zh-CN; a=b"}, "zh-CN"),
        ({"accept-language": "en-US", "cookie": "kveraser-language=<b>"}, "en-US"),
        ({"accept-language": "en-US", "cookie": "not-kveraser-language=zh-CN"}, "en-US"),
        ({}, ""),
    ],
)
def test_what_was_chosen_counts_before_what_the_browser_asks_for(headers, language):
    assert language_of(Headers(headers)) == language


def test_the_page_begins_with_the_script_that_tells_the_language(served):
    page = httpx.get(served.address, headers={"accept-encoding": "br, gzip"})
    assert page.status_code == 200
    assert int(page.headers["content-length"]) == len(page.content)
    first = page.text.index("<script")
    assert page.text.index("kveraser-language") < page.text.index("gradio_config")
    assert page.text[first:].startswith("<script>{")
    assert httpx.head(served.address).status_code == 200
