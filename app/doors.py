"""The door of the server: which requests come in.

In this order: the request asks for this server by its own name, comes from its own page or from a program, has the
token if one is wanted, goes to a route that the page and programs need, and carries no more than such a route takes.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from anyio.to_thread import run_sync
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.bodies import MAX_JSON, MAX_UPLOAD, Refused, checked_json, read_body, replayed, too_large
from app.clients import Unfetched, client_at
from app.endpoints import ArgumentError, Endpoint
from app.hosts import Hosts
from app.outgoing import Outgoing
from app.uploads import Allowance, UploadsFull, is_upload

UPLOAD, FILE = "/gradio_api/upload", "/gradio_api/file="
_GET = re.compile(
    r"/|/config|/theme\.css|/favicon\.ico|/(assets|static)/.+"
    r"|/gradio_api/(info|openapi\.json|queue/data|upload_progress|app_id|heartbeat/[^/]+|file=.+|call/(v2/)?[^/]+/[^/]+)"
)
_POST = re.compile(r"/gradio_api/(upload|queue/join|run/predict|cancel|call/(v2/)?[^/]+|mcp/?)")
_UNTRUSTED = (b"forwarded", b"x-forwarded-", b"x-gradio-", b"x-real-ip", b"x-original-", b"x-direct-")
"""Beginnings of headers by which a proxy speaks; nothing here is told to believe one."""
_ASKS = re.compile(r"/gradio_api/(queue/join|call/(v2/)?[^/]+)")
_FETCHES = re.compile(r"/gradio_api/(queue/data|call/(v2/)?[^/]+/[^/]+)")
_A_FILE = 65_536
"""Bytes that a file counts for besides its own."""
_CALL = re.compile(r"/gradio_api/call/(?P<named>v2/)?(?P<name>[^/]+)(/[^/]+)?")


class Doors:
    """Wraps the ASGI application `app`; `token` is what a request needs to have, if anything."""

    def __init__(self, app: ASGIApp, hosts: Hosts, token: str | None, endpoints: Mapping[str, Endpoint]) -> None:
        self.app, self.hosts, self.token, self.endpoints = app, hosts, token, endpoints
        self.allowance, self.unfetched = Allowance(), Unfetched()
        self._secret = hashlib.sha256(f"kveraser {token}".encode()).hexdigest()
        self._cookie = f"kveraser-{hosts.address.rpartition(':')[2]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})  # nothing here speaks it
        request = Request(scope, receive)
        sent = Outgoing(send, is_file=scope["path"].startswith(FILE))
        try:
            self._check_site(request)
            if answer := self._check_token(request):
                return await answer(scope, receive, sent.send)
            self._check_route(request)
            headers = [(name, value) for name, value in scope["headers"] if not name.startswith(_UNTRUSTED)]
            scope = {**scope, "headers": headers, "scheme": self._scheme(request)}
            if scope["path"] == UPLOAD:
                return await self._upload(scope, request, sent)
            if scope["method"] == "POST":
                scope, receive = await self._json(scope, request)
            elif _FETCHES.fullmatch(scope["path"]):
                self.unfetched.fetch(_client(request), request.query_params.get("session_hash"))
            return await self.app(scope, receive, sent.send)
        except Refused as refusal:
            await _answer(scope, refusal)(scope, receive, sent.send)
        except RuntimeError as error:
            if not isinstance(error.__cause__, HTTPException):
                raise
            # Gradio ends a stream that is under way by an HTTP error, which cannot be sent any more.
            await sent.send({"type": "http.response.body"})

    def _check_site(self, request: Request) -> None:
        """Refuse what another site's page has sent, and what asks for another server."""
        names = request.headers.getlist("host")
        if len(names) != 1 or names[0] not in self.hosts:
            name = ", ".join(names)[:80]
            raise Refused(421, f'This server is not known as "{name}": start it with --allow-host to add a name.')
        origin, host = request.headers.get("origin"), names[0].lower()
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            raise Refused(
                403, "This request comes from the page of another site: only the server's own page may send one."
            )
        if request.headers.get("sec-fetch-site") in ("cross-site", "same-site") and not _opens_the_page(request):
            raise Refused(403, "This request comes from the page of another site: open the server's page itself.")

    def _scheme(self, request: Request) -> str:
        """`https` where a proxy says so, of a name that it was given for."""
        proxied = self.hosts.is_given(request.headers.get("host", ""))
        return "https" if proxied and request.headers.get("x-forwarded-proto") == "https" else "http"

    def _check_token(self, request: Request) -> Response | None:
        """Refuse what has not the token. One in the address of the page is put into a cookie, and the page opened."""
        if self.token is None:
            return None
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _equal(bearer.strip(), self.token):
            return None
        if _equal(request.cookies.get(self._cookie, ""), self._secret):
            return None
        if (
            request.method == "GET"
            and request.url.path == "/"
            and _equal(request.query_params.get("token", ""), self.token)
        ):
            # A browser that comes from another site sends the cookie only once the page itself has asked for more.
            foreign = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
            refresh = HTMLResponse(
                '<!doctype html><meta http-equiv="refresh" content="0;url=/"><title>KVEraser</title>'
            )
            answer = refresh if foreign else RedirectResponse("/", 303)
            answer.set_cookie(
                self._cookie, self._secret, httponly=True, samesite="strict", secure=self._scheme(request) == "https"
            )
            answer.headers["cache-control"] = "no-store"
            return answer
        raise Refused(
            401,
            "A token is wanted: open the address that the server printed, or send it as Authorization: Bearer.",
        )

    def _check_route(self, request: Request) -> None:
        path, method = request.scope["path"], request.method
        routes = {"GET": _GET, "HEAD": _GET, "POST": _POST}.get(method)
        call = _CALL.fullmatch(path)
        if routes is None or not routes.fullmatch(path) or (call and call["name"] not in self.endpoints):
            names = ", ".join(self.endpoints)
            raise Refused(404, f"There is nothing at {method} {path[:80]}: the endpoints are {names}.")
        if path.startswith(FILE) and not is_upload(path.removeprefix(FILE)):
            raise Refused(403, "This is not a file that was uploaded here.")

    async def _json(self, scope: Scope, request: Request) -> tuple[Scope, Receive]:
        """The request with its body written anew, so that whoever reads it reads what was checked."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "The request is not understood: send JSON, as application/json.")
        _check_length(request, MAX_JSON)
        value = await run_sync(checked_json, await read_body(request.receive, MAX_JSON))
        _check_names(value)
        if _ASKS.fullmatch(scope["path"]):
            session = value.get("session_hash") if isinstance(value, dict) else None
            if not self.unfetched.ask(_client(request), session):
                raise Refused(429, "Too many answers were asked for and never fetched: fetch them, or wait a minute.")
        call = _CALL.fullmatch(scope["path"])
        if call and call["named"]:
            self._check_named(self.endpoints[call["name"]], value)
        body = await run_sync(lambda: json.dumps(value).encode())
        scope = {**scope, "headers": list(scope["headers"])}
        headers = MutableHeaders(scope=scope)
        headers["content-length"] = str(len(body))
        headers["content-type"] = "application/json"
        del headers["transfer-encoding"]
        return scope, replayed(body, request.receive)

    def _check_named(self, endpoint: Endpoint, value: Any) -> None:
        if not isinstance(value, dict):
            raise Refused(422, f"{endpoint.name} takes an object with its arguments by name.")
        try:
            endpoint.by_name(value)
        except ArgumentError as error:
            raise Refused(422, str(error)) from error

    async def _upload(self, scope: Scope, request: Request, sent: Outgoing) -> None:
        """Pass an upload on as it comes, up to its largest size, and remember where it went."""
        _check_length(request, MAX_UPLOAD)
        client = _client(request)
        try:
            self.allowance.begin(client, MAX_UPLOAD)
        except UploadsFull as error:
            raise Refused(429, str(error)) from error
        sent.kept = bytearray()
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await request.receive()
            taken += len(message.get("body", b""))
            if taken <= MAX_UPLOAD:
                return message
            sent.silent = True
            return {"type": "http.disconnect"}

        try:
            await self.app({**scope, "headers": plain}, counted, sent.send)
        except Exception:
            if not sent.silent:
                raise
        finally:
            self.allowance.end(client, taken + _A_FILE * sent.files)
        if sent.silent:
            sent.silent = False
            raise too_large(MAX_UPLOAD)


def _check_names(value: Any) -> None:
    """Refuse names of sessions and events that Gradio would not make: it keeps them."""
    for key in ("session_hash", "event_id"):
        name = value.get(key) if isinstance(value, dict) else None
        if name is not None and not (isinstance(name, str) and re.fullmatch("[A-Za-z0-9_-]{1,64}", name)):
            raise Refused(400, f"The {key} is no name: give up to 64 letters and digits.")


def _client(request: Request) -> str:
    return client_at(request.client.host if request.client else "")


def _opens_the_page(request: Request) -> bool:
    """Whether a link on another page was followed to ours, in a window of its own."""
    wanted = ("navigate", "document")
    said = tuple(request.headers.get(f"sec-fetch-{name}") for name in ("mode", "dest"))
    return request.method == "GET" and request.url.path == "/" and said == wanted


def _check_length(request: Request, most: int) -> None:
    declared = request.headers.get("content-length", "0")
    if not re.fullmatch("[0-9]{1,15}", declared) or int(declared) > most:
        raise too_large(most)


def _equal(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode(), wanted.encode())


def _answer(scope: Scope, refusal: Refused) -> Response:
    sentence = refusal.sentence.encode("utf-8", "replace").decode()  # it may quote half of a surrogate pair
    if scope["path"].startswith("/gradio_api/"):
        return JSONResponse({"detail": sentence}, refusal.status)
    return PlainTextResponse(sentence, refusal.status)
