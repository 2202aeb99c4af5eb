"""The language that somebody chose on the page, which Gradio's own scripts are to follow too.

They ask the browser for its language before they run anything of ours, so that ours goes before them into the page.
"""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CHOSEN = r"(?:^|; )kveraser-language=(en|zh-CN)(?:;|$)"
_SCRIPT = f"""<script>{{
  const [, value] = /{_CHOSEN}/.exec(document.cookie) ?? [];
  if (value) Object.defineProperties(navigator, {{ language: {{ value }}, languages: {{ value: [value] }} }});
}}</script>"""


def language_of(headers: Headers) -> str:
    """The language chosen on the page, or else the browser's, as a tag that may be followed by others."""
    chosen = re.search(_CHOSEN, headers.get("cookie", ""))
    return chosen[1] if chosen else headers.get("accept-language", "")


class SpokenPage:
    """`app`, whose page begins with the script that tells its others the language."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            return await self._app(scope, receive, send)
        start: Message = {}
        page = bytearray()

        async def changed(message: Message) -> None:
            nonlocal page
            if message["type"] == "http.response.start":
                start.update(message)
                return
            page += message.get("body", b"")
            if not message.get("more_body"):
                whole = bytes(page).replace(b"<head>", b"<head>" + _SCRIPT.encode(), 1)
                MutableHeaders(scope=start)["content-length"] = str(len(whole))
                await send(start)
                await send({"type": "http.response.body", "body": whole})

        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        return await self._app({**scope, "headers": plain}, receive, changed)
