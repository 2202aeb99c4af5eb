"""A server in this process over a tiny model, and raw HTTP to it."""

import asyncio
import http.client
import json
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from gradio_client import Client

from app.blocks import Blocks
from app.hosts import Hosts
from app.listener import listening
from app.page import Page
from app.server import serve
from app.store import SessionStore
from kveraser_core.model.backbone import Backbone
from tests.tiny import tiny_model

ENDPOINTS = {
    "load",
    "load_file",
    "erase",
    "replace",
    "undo",
    "similar",
    "ask",
    "compare",
    "report",
    "export",
    "exactness",
    "append",
    "segments",
    "about",
}
"""The names of all endpoints, which are tools too."""


class Reply(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def serve_here(page: Blocks, store: SessionStore, names: Iterable[str] = (), token: str | None = None) -> int:
    """Serve `page` from a thread of this process until that ends; its port."""
    listener = listening("127.0.0.1", 0)  # who connects before the page is served waits for it
    port = int(listener.getsockname()[1])
    arguments = (page, store, listener, Hosts("127.0.0.1", port, names), token)
    threading.Thread(target=serve, args=arguments, daemon=True).start()
    return port


def run_beside(function: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> Any:
    """What the coroutine function returns, run in a thread of its own: a browser's loop may run in this one."""
    with ThreadPoolExecutor(1) as beside:
        return beside.submit(lambda: asyncio.run(function(*arguments))).result()


class Served:
    """The app over a tiny model, for as long as the process lives."""

    def __init__(self, tokenizer: Any, **options: Any) -> None:
        store = SessionStore()
        self.blocks = Page(Backbone(tiny_model("llama"), tokenizer, "tiny"), store).blocks
        self.port = serve_here(self.blocks, store, **options)
        self.host, self.address = f"127.0.0.1:{self.port}", f"http://127.0.0.1:{self.port}"

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """A request with these headers, `_` for `-`, and `Host` and the content's type where they are not given."""
        given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body, given = json.dumps(body).encode(), {"content-type": "application/json"} | given
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in ({"host": self.host} | given).items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def client(self, **options: Any) -> Client:
        """A `gradio_client`, patient on a busy machine."""
        return Client(self.address, verbose=False, httpx_kwargs={"timeout": 60}, **options)

    def upload(self, content: bytes, name: str = "file.txt", **headers: str) -> Reply:
        body = (
            f'--edge\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
            + content
            + b"\r\n--edge--\r\n"
        )
        return self.send(
            "POST", "/gradio_api/upload", body, **{"content_type": "multipart/form-data; boundary=edge"} | headers
        )

    def uploaded(self, content: bytes, name: str = "file.txt") -> str:
        return self.upload(content, name).json[0]

    def result(self, joined: Reply, path: str) -> tuple[bool, Any]:
        """Whether the event that `joined` began went well, and what it gave or said."""
        if joined.status != 200:
            return False, joined.body.decode()
        events = self.send("GET", path.format(joined.json["event_id"])).body.decode()
        kind, data = "", None
        for line in events.splitlines():
            kind = line[7:] if line.startswith("event: ") else kind
            data = json.loads(line[6:]) if line.startswith("data: ") and kind != "heartbeat" else data
        return kind == "complete", data

    def call(self, name: str, *values: Any) -> tuple[bool, Any]:
        """An endpoint with its arguments by position: whether it went well, and the result or what was said."""
        joined = self.send("POST", f"/gradio_api/call/{name}", {"data": list(values)})
        well, data = self.result(joined, f"/gradio_api/call/{name}/{{}}")
        if well:
            return True, data[0]
        return False, data["error"] if isinstance(data, dict) else data

    def event(self, number: int, data: list[Any], **more: Any) -> str:
        """Everything that the page is told about the event `number`."""
        tab = uuid.uuid4().hex
        body = {"fn_index": number, "session_hash": tab, "data": data} | more
        joined = self.send("POST", "/gradio_api/queue/join", body)
        if joined.status != 200:
            return joined.body.decode()
        return self.send("GET", f"/gradio_api/queue/data?session_hash={tab}").body.decode()

    def tool(self, name: str, arguments: dict[str, Any], **headers: str) -> tuple[bool, str]:
        """An MCP tool: whether it went well, and the text it gave or said."""
        return self.mcp("tools/call", {"name": name, "arguments": arguments}, **headers)

    def mcp(self, method: str, params: dict[str, Any], **headers: str) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        accept = {"accept": "application/json, text/event-stream"}
        reply = self.send("POST", "/gradio_api/mcp/", message, **accept | headers)
        lines = [line[6:] for line in reply.body.decode().splitlines() if line.startswith("data: ")]
        answer = json.loads(lines[-1]) if lines else {"error": {"message": reply.body.decode()}}
        if "error" in answer:
            return False, answer["error"]["message"]
        result = answer["result"]
        if method != "tools/call":
            return result
        return not result.get("isError"), "".join(part.get("text", "") for part in result["content"])
