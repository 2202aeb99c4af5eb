"""No caller reads a file of the server that was not uploaded to it, by any way in."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import gradio as gr
import pytest
from gradio import processing_utils
from gradio.utils import get_upload_folder
from gradio_client import handle_file

from app import api_documents, bodies, load_panel, uploads
from tests.serving import Served
from tests.tiny import TEXT

SECRET = "The secret word of this machine is xylophone."


pytestmark = pytest.mark.usefixtures("many_requests")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.txt"
    file.write_text(SECRET)
    return file


@pytest.fixture
def placed(secret: Path) -> Iterator[dict[str, str]]:
    """Links and special files inside the upload folder itself, each to the secret if it is to anything."""
    folder = Path(get_upload_folder())
    folder.mkdir(exist_ok=True)
    names = {kind: folder / f"{kind}-{os.getpid()}.txt" for kind in ("symlink", "hardlink", "fifo", "folder")}
    names["symlink"].symlink_to(secret)
    hard = secret.parent / "hard.txt"
    hard.write_text(SECRET)
    os.link(hard, names["hardlink"])
    os.mkfifo(names["fifo"])
    names["folder"].symlink_to(secret.parent)
    yield {kind: str(path) for kind, path in names.items()} | {"folder": str(names["folder"] / "secret.txt")}
    for path in names.values():
        path.unlink()


class Listener:
    """A web server that notes every request and gives the secret away."""

    def __init__(self) -> None:
        asked = self.asked = list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(SECRET.encode())

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.server_address[1]


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    listening = Listener()
    yield listening
    listening.server.shutdown()


def file_data(path: str, **more: object) -> dict[str, object]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}} | more


def page_events(served: Served) -> list[tuple[int, int, int]]:
    """The number of each event of the page that takes a file, how many inputs it has, and which is the file."""
    return [
        (number, len(event.inputs), place)
        for number, event in served.blocks.fns.items()
        for place, component in enumerate(event.inputs)
        if isinstance(component, gr.File) and event.api_visibility == "private"
    ]


def every_way(served: Served, given: object) -> Iterator[str]:
    """Give `given` for a file by every way in: what comes back must be an error."""
    well, said = served.call("load_file", given, "", "")
    assert not well
    yield str(said)
    joined = served.send("POST", "/gradio_api/call/v2/load_file", {"file": given})
    well, said = served.result(joined, "/gradio_api/call/load_file/{}")
    assert not well
    yield str(said)
    for path in ("run/load_file", "run/predict", "api/load_file", "api/predict"):
        reply = served.send(
            "POST", f"/gradio_api/{path}", {"data": [given, "", ""], "fn_index": 1, "session_hash": "x"}
        )
        assert reply.status >= 400
        yield reply.body.decode()
    well, said = served.tool("load_file", {"file": given})
    assert not well
    yield str(said)
    events = page_events(served)
    assert events
    for number, length, place in events:
        data = ["" if at != place else given for at in range(length)]
        told = served.event(number, data)
        assert '"success":true' not in told.replace(" ", "")
        yield told


def refused_by_all(served: Served, given: object) -> None:
    for said in every_way(served, given):
        assert "xylophone" not in said
        assert "root:" not in said


def test_an_absolute_path_is_refused_by_every_way_in(served: Served, secret: Path):
    refused_by_all(served, file_data(str(secret)))
    refused_by_all(served, str(secret))


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "/dev/zero", "/proc/self/fd/0", "/", "", "\0"])
def test_files_of_the_system_devices_and_folders_are_refused(served: Served, path: str):
    for given in (file_data(path), path):
        well, said = served.call("load_file", given, "", "")
        assert not well
        assert "root:" not in str(said)
        assert not served.tool("load_file", {"file": given})[0]


def test_a_path_that_climbs_out_of_the_upload_folder_is_refused(served: Served, secret: Path):
    mine = Path(served.uploaded(TEXT.encode()))
    folder = Path(get_upload_folder())
    climbing = f"{folder}/{os.path.relpath(secret, folder)}"
    refused_by_all(served, file_data(climbing))
    refused_by_all(served, file_data(f"{mine.parent}/../../../../../..{secret}"))


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "fifo", "folder"])
def test_links_and_pipes_in_the_upload_folder_are_refused(served: Served, placed: dict[str, str], kind: str):
    refused_by_all(served, file_data(placed[kind]))


def test_no_address_is_fetched(served: Served, listener: Listener, secret: Path):
    addresses = [
        f"http://{name}:{listener.port}/x.txt"
        for name in ("127.0.0.1", "localhost", "0.0.0.0", "2130706433")  # noqa: S104
    ]
    mine = served.uploaded(TEXT.encode())
    for address in [*addresses, f"file://{secret}", "ftp://127.0.0.1/x.txt", "data:text/plain;base64,aGVsbG8="]:
        for given in (file_data(address), file_data(address, url=address), file_data(mine, url=address), address):
            well, said = served.call("load_file", given, "", "")
            assert not well, given
            assert "xylophone" not in str(said)
            well, said = served.tool("load_file", {"file": given})
            assert not well, given
            assert "xylophone" not in said
        for number, length, place in page_events(served):
            told = served.event(number, ["" if at != place else file_data(address) for at in range(length)])
            assert '"success":true' not in told
        for path in ("file", "proxy"):
            assert served.send("GET", f"/gradio_api/{path}={address}").status >= 400
    assert listener.asked == []


@pytest.mark.parametrize("nested", [lambda file: [file], lambda file: {"value": {"deep": [file]}}])
def test_a_file_in_another_field_is_refused(served: Served, secret: Path, nested):
    given = nested(file_data(str(secret)))
    assert not served.call("load", given, "title")[0]
    assert not served.call("load", "text", given)[0]
    assert not served.call("export", given, "json", False)[0]
    assert not served.tool("load", {"text": given})[0]
    for number, event in served.blocks.fns.items():
        if event.api_visibility == "private" and event.inputs and event.fn:
            told = served.event(number, [given] * len(event.inputs), event_data=given)
            assert "xylophone" not in told
            assert '"success":true' not in told, event.name


def test_a_file_that_is_named_twice_is_refused(served: Served, secret: Path):
    """What is checked is what is read, whichever of two equal keys a reader takes."""
    mine = served.uploaded(TEXT.encode())
    for paths in ((mine, str(secret)), (str(secret), mine)):
        body = '{{"data": [{{"path": "{}", "path": "{}", "meta": {{"_type": "gradio.FileData"}}}}, ""]}}'.format(
            *paths
        )
        joined = served.send("POST", "/gradio_api/call/load_file", body.encode(), content_type="application/json")
        well, said = served.result(joined, "/gradio_api/call/load_file/{}")
        assert "secret" not in str(said)
        assert not well or said[0]["title"] == "file.txt"


@pytest.mark.parametrize("body", [b"{", b'{"data": NaN}', b"[" * 100_000, b'{"data":' + b"[" * 80 + b"]" * 80 + b"}"])
def test_what_is_no_json_or_nested_too_deep_is_refused(served: Served, body: bytes):
    for path in ("call/load_file", "queue/join", "mcp/"):
        reply = served.send("POST", f"/gradio_api/{path}", body, content_type="application/json")
        assert reply.status == 400


def test_an_uploaded_file_is_read_by_every_way_in(served: Served, tmp_path: Path):
    """What is refused above is refused for what it is, not for the way it came."""
    path = served.uploaded(TEXT.encode(), "harbour.txt")
    for given in (path, file_data(path), file_data(path, url=f"{served.address}/gradio_api/file={path}")):
        well, loaded = served.call("load_file", given, "", "")
        assert well, loaded
        assert (loaded["title"], loaded["characters"]) == ("harbour.txt", len(TEXT))
    well, loaded = served.tool("load_file", {"file": path})
    assert well, loaded
    assert '"title": "harbour.txt"' in loaded
    (number, length, place), *_ = page_events(served)
    told = served.event(number, ["" if at != place else file_data(path) for at in range(length)])
    assert "harbour.txt" in told
    assert '"success":true' in told
    file = tmp_path / "café harbour.txt"
    file.write_text(TEXT, encoding="utf-8")
    client = served.client()
    assert client.predict(file=handle_file(file), api_name="/load_file")["characters"] == len(TEXT)


def test_the_mcp_tool_says_what_it_takes(served: Served):
    (tool,) = [tool for tool in served.mcp("tools/list", {})["tools"] if tool["name"] == "load_file"]
    assert "/gradio_api/upload" in tool["inputSchema"]["properties"]["file"]["description"]


def door_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_names_a_file", lambda entry: False)


def gradio_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processing_utils, "_check_allowed", lambda path, check_in_upload_folder: None)


def handlers_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def reads_anything(path: str) -> tuple[bytes, str]:
        return Path(path).read_bytes(), Path(path).name

    monkeypatch.setattr(api_documents, "read_upload", reads_anything)
    monkeypatch.setattr(load_panel, "read_upload", reads_anything)


LOCKS = [door_open, gradio_open, handlers_open]


@pytest.mark.parametrize("closed", LOCKS)
def test_each_lock_holds_alone(served: Served, secret: Path, monkeypatch: pytest.MonkeyPatch, closed):
    for lock in LOCKS:
        if lock is not closed:
            lock(monkeypatch)
    assert not served.call("load_file", file_data(str(secret)), "", "")[0]
    for number, length, place in page_events(served):
        told = served.event(number, ["" if at != place else file_data(str(secret)) for at in range(length)])
        assert "xylophone" not in told


def test_with_every_lock_open_the_file_is_read(served: Served, secret: Path, monkeypatch: pytest.MonkeyPatch):
    """That the test above can fail."""
    for lock in LOCKS:
        lock(monkeypatch)
    well, loaded = served.call("load_file", file_data(str(secret)), "", "")
    assert well, loaded


def test_the_upload_folder_is_private_and_nothing_else_is_served(
    served: Served, secret: Path, placed: dict[str, str]
):
    folder = Path(get_upload_folder())
    assert folder == uploads.FOLDER
    assert folder.stat().st_mode & 0o077 == 0
    path = served.uploaded(b"<script>alert(1)</script>", "page.html")
    reply = served.send("GET", f"/gradio_api/file={path}")
    assert reply.status == 200
    assert reply.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in reply.headers["content-security-policy"]
    others = [
        str(secret),
        "/etc/passwd",
        f"{folder}/../../etc/passwd",
        "/tmp/gradio/x",  # noqa: S108
        str(folder),
        *placed.values(),
    ]
    for other in others:
        reply = served.send("GET", f"/gradio_api/file={other}")
        assert reply.status >= 400
        assert b"xylophone" not in reply.body
