"""Routes of Gradio that the page does not need."""

import pytest

from tests.serving import Served

pytestmark = pytest.mark.usefixtures("many_requests")


def test_routes_of_gradio_that_the_page_does_not_need_are_closed(served: Served):
    for path in (
        "openapi.json", "docs", "monitoring", "monitoring/summary", "manifest.json", "pwa_icon", "login", "logout",
        "gradio_api/deep_link?session_hash=x", "gradio_api/user", "gradio_api/token",
        "gradio_api/dev/reload", "gradio_api/runs", "gradio_api/file/etc/passwd", "gradio_api/vibe-code/",
        "gradio_api/proxy=http://x.hf.space/", "gradio_api/startup-events", "gradio_api/queue/status",
        "gradio_api/custom_component/x/client/y/z", "gradio_api/mcp/schema", "gradio_api/mcp/sse", "svelte/x.js",
        "gradio_api/stream/x/y/1/playlist.m3u8", "gradio_api/profiling/summary", "assets", "static",
        "assets/../../package.json", "static/%2e%2e/%2e%2e/index.html",
    ):  # fmt: skip
        assert served.send("GET", f"/{path}").status >= 400, path
    for path in (
        "component_server", "vibe-edit", "vibe-code", "vibe-starter-queries", "undo-vibe-edit", "stream/x",
        "process_recording", "reset", "run-history/connect", "profiling/clear", "mcp/messages/", "call/nothing",
        "call/file", "call/lambda", "call/leave", "run/erase",
    ):  # fmt: skip
        assert served.send("POST", f"/gradio_api/{path}", {"data": []}).status == 404, path
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert served.send(method, "/gradio_api/queue/join").status == 404
