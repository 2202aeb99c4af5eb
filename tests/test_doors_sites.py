"""What another site's page can make a browser send is refused, and what has not the token."""

import json
import socket
from pathlib import Path

import pytest
from gradio_client import handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from app import uploads
from app.hosts import HostNameError, Hosts, is_this_machine
from app.tokens import TokenError, chosen_token
from tests.serving import Reply, Served, run_beside
from tests.tiny import TEXT

pytestmark = pytest.mark.usefixtures("many_requests")

TOKEN = "correct-horse-battery"
EVIL = "http://evil.example"


@pytest.fixture(scope="module")
def guarded(tokenizer) -> Served:
    return Served(tokenizer, token=TOKEN, names=["notes.example", "proxied.example:8443"])


def everything(served: Served, **headers: str) -> dict[str, Reply]:
    """One request to each kind of route; a stream of answers begins where it is that of an event of its own."""
    tab = "a" * 12
    requests = {
        "page": ("GET", "/", None),
        "config": ("GET", "/config", None),
        "info": ("GET", "/gradio_api/info", None),
        "asset": ("GET", "/theme.css", None),
        "event": ("POST", "/gradio_api/queue/join", {"fn_index": 0, "session_hash": tab, "data": [TEXT, "t"]}),
        "stream": ("GET", f"/gradio_api/queue/data?session_hash={tab}", None),
        "direct": ("POST", "/gradio_api/run/predict", {"fn_index": 0, "session_hash": tab, "data": [TEXT, "t"]}),
        "call": ("POST", "/gradio_api/call/load", {"data": [TEXT, "t"]}),
        "named": ("POST", "/gradio_api/call/v2/load", {"text": TEXT}),
        "tools": ("POST", "/gradio_api/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}),
    }
    accept = {"accept": "application/json, text/event-stream"}
    replies = {name: served.send(*request, **accept, **headers) for name, request in requests.items()}
    return replies | {"upload": served.upload(b"left by another site", "left.txt", **headers)}


def nothing_stored() -> bool:
    return not any("left.txt" in str(path) for path in uploads.FOLDER.rglob("*"))


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost.evil.example", "localhost",
     "127.0.0.1:1", "127.0.0.1:{port}@evil.example", "notes.example", "192.0.2.7:{port}", "[::1", "",
     "localhost.:{port}"],
)  # fmt: skip
def test_a_request_for_another_server_is_refused(served: Served, host: str):
    """As one of a page whose name was made to mean this machine."""
    host = host.format(port=served.port)
    for name, reply in everything(served, host=host, origin=f"http://{host}").items():
        assert reply.status == 421, name
        assert b"--allow-host" in reply.body
        assert "access-control-allow-origin" not in reply.headers
    assert nothing_stored()


def test_two_hosts_or_none_are_refused(served: Served):
    for lines in ([], [f"Host: {served.host}", "Host: evil.example"]):
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            connection.sendall("\r\n".join(["GET /config HTTP/1.1", *lines, "Connection: close", "", ""]).encode())
            answer = connection.makefile("rb").read()
        assert answer.split()[1] in (b"400", b"421")
        assert b"components" not in answer


@pytest.mark.parametrize(
    "origin",
    [
        EVIL,
        "https://evil.example",
        "null",
        "http://localhost:3000",
        "http://127.0.0.1",
        "file://",
        "http://127.0.0.1:{port}.evil.example",
    ],
)
def test_a_request_of_another_sites_page_is_refused_and_granted_nothing(served: Served, origin: str):
    origin = origin.format(port=served.port)
    for name, reply in everything(served, origin=origin).items():
        assert reply.status == 403, name
        assert not [header for header in reply.headers if header.startswith("access-control-")]
        assert b"another site" in reply.body
    assert nothing_stored()


def test_a_preflight_of_another_site_is_refused(served: Served):
    for path in ("/gradio_api/queue/join", "/gradio_api/upload", "/gradio_api/mcp/"):
        asked = {"access_control_request_method": "POST", "access_control_request_headers": "content-type"}
        reply = served.send("OPTIONS", path, origin=EVIL, **asked)
        assert reply.status == 403
        assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_browser_that_says_where_a_request_comes_from_is_believed(served: Served, site: str):
    """Also where it sends no origin: pictures, scripts, frames and downloads of another page."""
    for name, reply in everything(
        served, sec_fetch_site=site, sec_fetch_mode="no-cors", sec_fetch_dest="image"
    ).items():
        assert reply.status == 403, name
    framed = {"sec_fetch_site": site, "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"}
    assert served.send("GET", "/", **framed).status == 403
    followed = framed | {"sec_fetch_dest": "document"}
    assert served.send("GET", "/", **followed).status == 200
    assert served.send("GET", "/config", **followed).status == 403
    assert nothing_stored()


def test_the_servers_own_page_and_programs_are_answered(served: Served):
    assert served.send("GET", "/config", host=f"LOCALHOST:{served.port}").status == 200
    for host in (f"localhost:{served.port}", f"[::1]:{served.port}"):
        own = {"host": host, "origin": f"http://{host}", "sec_fetch_site": "same-origin"}
        replies = everything(served, **own)
        assert replies["page"].status == replies["call"].status == replies["event"].status == 200
        assert replies["upload"].status == 200
        assert "text/event-stream" in replies["stream"].headers["content-type"]
        assert served.mcp("tools/list", {}, **own)["tools"]
    uploads.sweep(-1)


def test_mcps_own_protection_is_on(served: Served, monkeypatch: pytest.MonkeyPatch):
    """With the door's check of names away, the MCP library still makes its own."""
    monkeypatch.setattr("app.doors.Doors._check_site", lambda self, request: None)
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accept = {"accept": "application/json, text/event-stream"}
    assert served.send("POST", "/gradio_api/mcp/", message, **accept).status == 200
    assert served.send("POST", "/gradio_api/mcp/", message, host="evil.example", **accept).status == 421
    assert served.send("POST", "/gradio_api/mcp/", message, origin=EVIL, **accept).status == 403


def test_a_form_cannot_be_sent_where_json_is_wanted(served: Served):
    """What a page of another site can send without asking has a content type of forms or plain text."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        reply = served.send("POST", "/gradio_api/call/load", b'{"data": ["text", "t"]}', content_type=kind)
        assert reply.status == 415


def test_what_a_proxy_is_said_to_have_seen_is_not_believed(served: Served):
    """The addresses in what is answered are those that were asked for."""
    lies = {
        "x_forwarded_host": "evil.example",
        "x_forwarded_proto": "https",
        "x_gradio_server": EVIL,
        "forwarded": "host=evil.example",
    }
    for path in ("/", "/config", "/gradio_api/info"):
        assert b"evil.example" not in served.send("GET", path, **lies).body
    well, said = served.tool("load", {"text": TEXT}, **lies)
    assert well, said


def test_a_websocket_is_refused(served: Served):
    asked = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec_websocket_version": "13",
        "sec_websocket_key": "x" * 22,
    }
    for path in ("/gradio_api/queue/join", "/ws"):
        assert served.send("GET", path, **asked).status == 404


def test_the_page_cannot_be_framed_and_its_answers_not_be_taken_for_something_else(served: Served):
    for path in ("/", "/config", "/nothing", "/theme.css"):
        headers = served.send("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers


# The token.


def test_without_the_token_nothing_is_answered(guarded: Served):
    wrong = [{}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}, {"authorization": TOKEN},
             {"cookie": f"kveraser-{guarded.port}={TOKEN}"}, {"authorization": f"Bearer {TOKEN[:-1]}"}]  # fmt: skip
    for headers in wrong:
        for name, reply in everything(guarded, **headers).items():
            assert reply.status == 401, name
            assert b"token" in reply.body
    assert guarded.send("GET", "/?token=wrong").status == 401
    assert guarded.send("GET", f"/config?token={TOKEN}").status == 401
    assert nothing_stored()


def test_the_token_opens_the_page_and_is_gone_from_its_address(guarded: Served):
    reply = guarded.send("GET", f"/?token={TOKEN}")
    assert (reply.status, reply.headers["location"]) == (303, "/")
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKEN not in cookie
    pair = cookie.partition(";")[0]
    for name, reply in everything(guarded, cookie=f"other=1; {pair}").items():
        assert reply.status == (200 if name != "direct" else 404), name
    assert guarded.send("GET", "/config", cookie=pair, origin=EVIL).status == 403
    uploads.sweep(-1)


def test_a_link_on_another_site_with_the_token_opens_the_page_too(guarded: Served):
    """A browser does not send a strict cookie where a redirect follows a link of another site."""
    followed = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    reply = guarded.send("GET", f"/?token={TOKEN}", **followed)
    assert reply.status == 200
    assert b'content="0;url=/"' in reply.body
    assert "set-cookie" in reply.headers


def test_programs_pass_the_token(guarded: Served, tmp_path: Path):
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    file = tmp_path / "harbour.txt"
    file.write_text(TEXT)
    client = guarded.client(headers=bearer)
    session = client.predict(file=handle_file(file), api_name="/load_file")["session"]
    assert "erased" in client.predict(session=session, passage="fourteen silver coins", api_name="/erase")
    with pytest.raises(Exception, match="credentials"):
        guarded.client()

    async def run() -> dict[str, object]:
        async with (
            streamablehttp_client(f"{guarded.address}/gradio_api/mcp/", headers=bearer) as (read, write, _),
            ClientSession(read, write) as mcp,
        ):
            await mcp.initialize()
            assert {tool.name for tool in (await mcp.list_tools()).tools} >= {"load", "erase", "ask"}
            return json.loads((await mcp.call_tool("undo", {"session": session})).content[0].text)

    assert run_beside(run)["undone"] is True


def test_names_that_were_allowed_are_answered(guarded: Served):
    bearer = {"authorization": f"Bearer {TOKEN}"}
    for host, status in (
        ("notes.example", 200), ("notes.example:1234", 200), ("proxied.example:8443", 200),
        ("proxied.example", 421), ("other.example", 421), ("x.notes.example", 421),
    ):  # fmt: skip
        assert guarded.send("GET", "/config", host=host, origin=f"https://{host}", **bearer).status == status, host
    behind = {"host": "notes.example", "x_forwarded_proto": "https", "x_forwarded_host": "evil.example"} | bearer
    assert guarded.send("GET", "/config", **behind).json["root"] == "https://notes.example"
    assert "Secure" in guarded.send("GET", f"/?token={TOKEN}", **behind | {"authorization": ""}).headers["set-cookie"]
    message = {"host": "notes.example:1234", "origin": "https://notes.example:1234"} | bearer
    assert guarded.mcp("tools/list", {}, **message)["tools"]


def test_what_is_logged_has_no_token(guarded: Served, caplog, capfd):
    caplog.set_level(0)
    guarded.send("GET", f"/?token={TOKEN}")
    guarded.send("GET", f"/config?token={TOKEN}&x=%")
    guarded.send("GET", "/config", authorization=f"Bearer {TOKEN}")
    printed = capfd.readouterr()
    assert TOKEN not in printed.out + printed.err + caplog.text


def test_a_token_is_made_where_other_machines_can_reach_the_server():
    for host in ("127.0.0.1", "localhost", "::1", "127.8.0.1"):
        assert is_this_machine(host)
        assert chosen_token(None, host) is None
        assert chosen_token(TOKEN, host) == TOKEN
    for host in ("0.0.0.0", "::", "192.0.2.7", "pc.example"):  # noqa: S104
        made = {chosen_token(None, host) for _ in range(3)}
        assert len(made) == 3
        assert all(len(token) >= 32 for token in made)
    for token in ("", "short", "with space and more", "zeichen-ä-und-mehr", "a;b" * 9, "new\nline-and-more"):
        with pytest.raises(TokenError):
            chosen_token(token, "127.0.0.1")


def test_the_names_of_a_server():
    everywhere = Hosts("0.0.0.0", 7860)  # noqa: S104
    assert "localhost:7860" in everywhere
    assert "0.0.0.0:7860" not in everywhere
    assert "192.0.2.7:7860" not in everywhere
    assert not everywhere.address.startswith("http://0.0.0.0")
    assert everywhere.address.removeprefix("http://") in everywhere
    one = Hosts("192.0.2.7", 80)
    assert "192.0.2.7" in one
    assert "192.0.2.7:80" in one
    assert "localhost:80" not in one
    assert "[2001:db8::1]:7860" in Hosts("2001:db8::1", 7860)
    assert "[2001:db8::1]:9" in Hosts("127.0.0.1", 7860, ["2001:db8::1"])
    for name in ("*", "http://pc.example", "pc.example/", "", "a b", "*.example"):
        with pytest.raises(HostNameError):
            Hosts("127.0.0.1", 7860, [name])
