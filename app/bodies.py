"""What a request carries: how much of it is taken in, and that no file is named in it but an uploaded one."""

import json
from typing import Any
from urllib.parse import unquote

from starlette.types import Message, Receive

from app.uploads import is_upload
from kveraser_core.documents import MAX_BYTES

MAX_JSON = 8_000_000
MAX_UPLOAD = MAX_BYTES + 100_000
"""A file with what surrounds it."""
_DEEPEST = 64
_SERVED = "/gradio_api/file="


class Refused(Exception):
    """A request that is not answered: with an HTTP status, and a sentence for whoever sent it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


async def read_body(receive: Receive, most: int) -> bytes:
    """The whole body. Raises `Refused` as soon as more than `most` bytes have come."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The request broke off.")
        body += message.get("body", b"")
        if len(body) > most:
            raise too_large(most)
        if not message.get("more_body"):
            return bytes(body)


def too_large(most: int) -> Refused:
    """The refusal of a body of more than `most` bytes."""
    return Refused(
        413, f"The request is larger than {most:,} bytes: upload a long text as a file, and split a large one."
    )


def checked_json(body: bytes) -> Any:
    """What `body` says. Raises `Refused` if it is no JSON, nested too deep, or names a file that was not uploaded."""
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "The request is not understood: send JSON.") from error
    _check(value)
    return value


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` first."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again


def _check(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        for entry in level:
            if isinstance(entry, dict) and _names_a_file(entry) and not _is_uploaded(entry):
                raise Refused(
                    403, "The request names a file that was not uploaded here: send it to /gradio_api/upload first."
                )
        level = [inner for entry in level for inner in _inside(entry)]
        if not level:
            return
    raise Refused(400, "The request is not understood: its JSON is nested too deep.")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _names_a_file(entry: dict[str, Any]) -> bool:
    """Whether Gradio, today's or another, could take it for a file; an MCP client says `url: {}` of itself."""
    kind = entry.get("meta")
    return (
        "path" in entry
        or "is_stream" in entry
        or isinstance(entry.get("url"), str)
        or (isinstance(kind, dict) and "_type" in kind)
    )


def _is_uploaded(entry: dict[str, Any]) -> bool:
    """Whether it is an uploaded file, and its `url`, if any, that of the same file here."""
    path, url = entry.get("path"), entry.get("url")
    same = url is None or (isinstance(url, str) and unquote(url).partition(_SERVED)[2] == path)
    return is_upload(path) and same and not entry.get("is_stream")


def _no_constant(name: str) -> None:
    raise ValueError(name)
