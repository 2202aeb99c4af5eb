"""The page, its endpoints and the MCP tools as one ASGI application, behind its doors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import gradio as gr
from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.blocks import Blocks
from app.doors import Doors
from app.hosts import Hosts
from app.language import SpokenPage
from app.texts import STATIC, translations
from app.theme import theme
from app.tools import tool_manager
from kveraser_core.documents import MAX_BYTES


def web_app(page: Blocks, hosts: Hosts, token: str | None) -> Doors:
    """What is served: `page` for the names of `hosts`, to those who have `token` if there is one.

    Gradio is mounted rather than launched, so that the port can be bound before the model is loaded and the doors
    stand before every route. Gradio's own check of files, which it leaves out for a page that was not launched, is
    switched on.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with tools.run():
            yield

    class Mcp:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await tools.handle_request(scope, receive, send)

    app = FastAPI(openapi_url=None, lifespan=lifespan)
    app.router.routes += [Route(path, Mcp(), methods=None) for path in ("/gradio_api/mcp", "/gradio_api/mcp/")]
    app = gr.mount_gradio_app(
        app,
        page,
        path="",
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        show_error=False,
        max_file_size=MAX_BYTES,
        ssr_mode=False,
        enable_monitoring=False,
        theme=theme(),
        css=(STATIC / "page.css").read_text(encoding="utf-8"),
        i18n=translations,
        mcp_server=False,
    )
    page.has_launched = True
    tools = tool_manager(page.endpoints, app, hosts)
    return Doors(SpokenPage(app), hosts, token, page.endpoints)
