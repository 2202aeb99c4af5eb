"""The page behind its doors: with a token and a policy for its content, and out of other sites' reach."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.driving import TEXT, ask, erase, goto, upload
from tests.serving import Served

pytestmark = pytest.mark.browser
TOKEN = "correct-horse-battery"
ATTACK = """
<iframe src="{address}/"></iframe>
<form action="{address}/gradio_api/upload" method="post" enctype="multipart/form-data" target="there">
<textarea name="files">left by another site</textarea></form><iframe name="there"></iframe>
<script>
const send = (path, options) => fetch('{address}' + path, options).then((reply) => reply.text(), () => 'refused');
window.results = Promise.all([
  send('/config'), send('/gradio_api/info'),
  send('/gradio_api/call/load', {{ method: 'POST', body: '{{"data": ["text", "title"]}}' }}),
  send('/gradio_api/call/load', {{
    method: 'POST', body: '{{"data": ["text", "title"]}}', headers: {{ 'Content-Type': 'application/json' }},
  }}),
]);
document.forms[0].submit();
</script>
"""


@pytest.fixture(scope="module")
def guarded(tokenizer) -> Served:
    return Served(tokenizer, token=TOKEN)


@pytest.fixture
def other_site(served: Served) -> Iterator[str]:
    page = ATTACK.format(address=served.address).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}/"
    server.shutdown()


def test_the_page_works_with_its_token_and_policy(browser: Browser, guarded: Served, tmp_path: Path):
    context = browser.new_context()
    page = context.new_page()
    errors, refused, foreign = [], [], []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("response", lambda reply: refused.append(reply.url) if reply.status >= 400 else None)
    page.on("request", lambda request: foreign.append(request.url) if guarded.host not in request.url else None)
    goto(page, f"{guarded.address}/?token={TOKEN}")
    assert page.url == f"{guarded.address}/"
    file = tmp_path / "harbour.txt"
    file.write_text(TEXT, encoding="utf-8")
    upload(page, file)
    expect(page.locator(".doc p")).to_have_count(4)
    erase(page, "An old rule", "no longer in force.")
    ask(page, "What is the toll?")
    assert errors == []
    page.reload()
    expect(page.locator(".doc p")).to_have_count(4)
    errors.clear()  # the reload may have broken off what the page was just asking
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("fetch('https://evil.example/').then(() => 'sent', () => 'refused')") == "refused"
    assert [text for text in errors if "evil.example" not in text] == []
    assert refused == []
    assert [url for url in foreign if not url.startswith(("blob:", "data:", "https://evil.example"))] == []
    context.close()
    context = browser.new_context()
    page = context.new_page()
    assert page.goto(guarded.address).status == 401
    context.close()


def test_a_page_of_another_site_reads_nothing_and_changes_nothing(browser: Browser, served: Served, other_site: str):
    context = browser.new_context()
    page = context.new_page()
    answered = []
    page.on("response", lambda reply: answered.append(reply) if served.host in reply.url else None)
    page.goto(other_site)
    assert page.evaluate("window.results") == ["refused"] * 4
    page.wait_for_timeout(1000)
    assert {reply.url.removeprefix(served.address) for reply in answered} >= {"/", "/gradio_api/upload"}
    assert {reply.status for reply in answered} == {403}
    context.close()
