"""The endpoints as MCP tools for agents.

A call goes to the endpoint of the same name within this process, as if its client had made it there: it waits in the
same queue, under the same limits. Nothing is fetched from elsewhere, and nothing of the disk is sent.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.types import ASGIApp

from app.bodies import MAX_JSON
from app.endpoints import Endpoint
from app.hosts import Hosts
from kveraser_core.errors import KVEraserError

_POLL_S = 0.5
_PASSED_ON = ("host", "authorization", "cookie", "accept-language")


class ToolError(KVEraserError):
    """A tool could not do what it was asked."""


def tool_manager(endpoints: Mapping[str, Endpoint], app: ASGIApp, hosts: Hosts) -> StreamableHTTPSessionManager:
    """Serves `endpoints` of the Gradio application `app` as MCP tools, by streamable HTTP without sessions."""
    server: Server[Any, Request] = Server("KVEraser")

    @server.list_tools()
    async def list_tools() -> list[types.Tool]:
        return [
            types.Tool(
                name=name,
                description=f"{endpoint.description} Returns: {endpoint.returns}.",
                inputSchema=endpoint.schema,
            )
            for name, endpoint in endpoints.items()
        ]

    @server.call_tool(validate_input=False)  # by_name says it in a sentence
    async def call_tool(name: str, arguments: dict[str, Any]) -> list[types.TextContent]:
        if name not in endpoints:
            raise ToolError(f"There is no tool {name[:80]}: use one of {', '.join(endpoints)}.")
        request = server.request_context.request
        assert request is not None
        result = await _called(app, request, name, endpoints[name].by_name(arguments))
        return [types.TextContent(type="text", text=json.dumps(result, ensure_ascii=False))]

    return StreamableHTTPSessionManager(
        server,
        stateless=True,
        max_request_body_size=MAX_JSON,
        security_settings=TransportSecuritySettings(
            allowed_hosts=hosts.patterns,
            allowed_origins=[f"{scheme}://{host}" for host in hosts.patterns for scheme in ("http", "https")],
        ),
    )


async def _called(app: ASGIApp, request: Request, name: str, arguments: list[Any]) -> Any:
    """What the endpoint `name` gives to the client of `request`, as long as that waits. Raises `ToolError`."""
    answer = asyncio.ensure_future(_answer(app, request, name, arguments))
    try:
        while not (await asyncio.wait({answer}, timeout=_POLL_S))[0]:
            if await request.is_disconnected():
                raise ToolError("The client has gone: call the tool again.")
        return answer.result()
    finally:
        answer.cancel()


async def _answer(app: ASGIApp, request: Request, name: str, arguments: list[Any]) -> Any:
    client = (request.client.host, request.client.port) if request.client else ("", 0)
    headers = {key: value for key in _PASSED_ON if (value := request.headers.get(key))}
    inside = httpx.ASGITransport(app=app, client=client)
    async with httpx.AsyncClient(transport=inside, base_url="http://inside", headers=headers, timeout=None) as http:  # noqa: S113
        joined = await http.post(f"/gradio_api/call/{name}", json={"data": arguments})
        if joined.status_code != 200:
            raise ToolError(str(joined.json().get("detail", "The server is busy: try again later.")))
        events = await http.get(f"/gradio_api/call/{name}/{joined.json()['event_id']}")
    kind, data = "", None
    for line in events.text.splitlines():
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: ") and kind != "heartbeat":
            data = json.loads(line.removeprefix("data: "))
            if kind == "complete":
                return data[0]
    raise ToolError((data or {}).get("error") or "Something went wrong inside the server: see its log.")
