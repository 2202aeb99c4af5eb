"""How much the served app takes in, and how much one client could fill."""

import re
import socket

import pytest

from app import clients, uploads
from app.bodies import MAX_JSON, MAX_UPLOAD
from tests.serving import Served

pytestmark = pytest.mark.usefixtures("many_requests")


def chunked(served: Served, path: str, kind: str, piece: bytes, most: int) -> tuple[int, bytes]:
    """Send `piece` again and again without a length until the server answers: how much it took, and the answer."""
    sent = 0
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        lines = [f"Host: {served.host}", f"Content-Type: {kind}", "Transfer-Encoding: chunked", "", ""]
        connection.sendall("\r\n".join([f"POST {path} HTTP/1.1", *lines]).encode())
        if "multipart" in kind:
            first = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="huge.txt"\r\n\r\n'
            connection.sendall(b"%x\r\n%s\r\n" % (len(first), first))
        try:
            while sent < most:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                sent += len(piece)
        except OSError:
            pass
        try:
            return sent, connection.recv(1000)
        except OSError:
            return sent, b""


def test_a_body_without_a_length_is_cut_off_at_the_limit(served: Served):
    piece = b"x" * 500_000
    sent, answer = chunked(served, "/gradio_api/call/load", "application/json", piece, 4 * MAX_JSON)
    assert sent < 2 * MAX_JSON
    assert not answer or b" 413 " in answer
    sent, answer = chunked(served, "/gradio_api/upload", "multipart/form-data; boundary=edge", piece, 2 * MAX_UPLOAD)
    assert sent < 1.2 * MAX_UPLOAD
    assert not answer or b" 413 " in answer
    uploads.sweep(-1)
    assert not [path for path in uploads.FOLDER.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("path", "kind", "most"), [
    ("/gradio_api/call/load", "application/json", MAX_JSON),
    ("/gradio_api/mcp/", "application/json", MAX_JSON),
    ("/gradio_api/upload", "multipart/form-data; boundary=edge", MAX_UPLOAD),
])  # fmt: skip
@pytest.mark.parametrize("length", ["{}", "9" * 30, "-1", "+5", "1e3"])
def test_a_body_that_says_it_is_too_large_is_not_read(served: Served, path: str, kind: str, most: int, length: str):
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        lines = [
            f"Host: {served.host}",
            f"Content-Type: {kind}",
            f"Content-Length: {length.format(most + 1)}",
            "",
            "",
        ]
        connection.sendall("\r\n".join([f"POST {path} HTTP/1.1", *lines]).encode())
        assert re.match(rb"HTTP/1.1 (413|400) ", connection.recv(1000))


@pytest.mark.parametrize("name", ["x" * 65, "a b", "é", "../a", 7, {"a": 1}])
def test_names_that_gradio_would_keep_are_short_and_plain(served: Served, name: object):
    body = {"data": [], "fn_index": 0, "session_hash": name}
    assert served.send("POST", "/gradio_api/queue/join", body).status == 400
    assert (
        served.send("POST", "/gradio_api/cancel", {"event_id": name, "session_hash": "a", "fn_index": 0}).status
        == 400
    )


def test_answers_that_are_never_fetched_are_bounded_for_each_client():
    unfetched = clients.Unfetched()
    assert all(unfetched.ask("hostile", f"session{number}") for number in range(clients.UNFETCHED))
    assert not unfetched.ask("hostile", "one more")
    assert not unfetched.ask("hostile", None)
    assert unfetched.ask("hostile", "session3")  # a page asks again and again in one stream
    assert unfetched.ask("other", "one more")
    unfetched.fetch("hostile", "session3")
    assert unfetched.ask("hostile", None)
    assert not unfetched.ask("hostile", None)
    unfetched.fetch("hostile", None)
    assert unfetched.ask("hostile", None)


def test_a_stream_that_is_asked_for_again_keeps_no_other_counted(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(clients.time, "monotonic", lambda: now[0])
    unfetched = clients.Unfetched()
    for number in range(4 * clients.UNFETCHED):  # a page that stays open, and others that come and go
        now[0] += clients.UNFETCHED_S / 8
        assert unfetched.ask("user", "page")
        assert unfetched.ask("user", f"other{number}")


def test_an_upload_that_takes_longer_than_its_bytes_count_ends_well(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(uploads.time, "monotonic", lambda: now[0])
    allowance = uploads.Allowance()
    allowance.begin("slow", MAX_UPLOAD)
    now[0] += 4000
    allowance.begin("slow", MAX_UPLOAD)
    allowance.end("slow", 10)
    allowance.end("slow", 10)


def test_calls_beyond_those_that_are_fetched_are_turned_away(served: Served, monkeypatch: pytest.MonkeyPatch):
    call = ("POST", "/gradio_api/call/export", {"data": ["no session", "md"]})
    with monkeypatch.context() as full:
        full.setattr(clients, "UNFETCHED", 0)
        refused = served.send(*call)
    assert refused.status == 429
    assert "never fetched" in refused.json["detail"]
    taken = served.send(*call)
    assert taken.status == 200
    assert served.send("GET", f"/gradio_api/call/export/{taken.json['event_id']}").status == 200


def test_uploads_at_once_count_before_they_end():
    allowance = uploads.Allowance()
    for _ in range(4):
        allowance.begin("hostile", MAX_UPLOAD)
    with pytest.raises(uploads.UploadsFull, match="under way"):
        allowance.begin("hostile", MAX_UPLOAD)
    allowance.begin("other", MAX_UPLOAD)
    allowance.end("hostile", 10)
    allowance.begin("hostile", MAX_UPLOAD)


def test_half_a_pair_in_a_refusal_is_no_fault_of_the_server(served: Served):
    reply = served.send("POST", "/gradio_api/call/v2/ask", b'{"\\ud800": 1}', content_type="application/json")
    assert reply.status == 422
