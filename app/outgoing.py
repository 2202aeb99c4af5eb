"""Answers on their way out: what a browser is told to keep other pages, and what is in a file, from doing."""

import json

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

from app.uploads import remember

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Gradio's page is written with scripts inside it, and compiles those of its events and of our widgets."""
_HEADERS = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_FILE_POLICY = "default-src 'none'; sandbox"


class Outgoing:
    """Answers on their way: with our headers, and none that gives another site leave.

    While it is `silent` they are dropped. What an upload is answered is `kept`, and the files that it names are
    remembered before the client hears of them.
    """

    def __init__(self, send: Send, is_file: bool) -> None:
        self._send, self._is_file, self._status = send, is_file, 0
        self.silent = False
        self.kept: bytearray | None = None
        self.files = 0

    async def send(self, message: Message) -> None:
        if self.silent:
            return
        if message["type"] == "http.response.start":
            self._status = message["status"]
            kept = [
                (name, value)
                for name, value in message.get("headers", ())
                if not name.lower().startswith(b"access-control-")
            ]
            message = {**message, "headers": kept}
            headers = MutableHeaders(scope=message)
            headers.update(_HEADERS | {"content-security-policy": _FILE_POLICY if self._is_file else _POLICY})
            if self._status >= 400:
                headers["connection"] = "close"  # what has not been read of the request is not read any more
            if self._is_file:
                headers["content-disposition"] = "attachment"
        elif self.kept is not None and self._status == 200:
            self.kept += message.get("body", b"")
            if not message.get("more_body"):
                paths = json.loads(self.kept)
                remember(paths)
                self.files = len(paths)
        await self._send(message)
