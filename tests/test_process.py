"""How the app starts and ends: the real program, with a tiny model, and whatever may be connected to it."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from app import uploads
from app.listener import CannotListen, listening
from tests.browser.serving import free_port

ROOT = Path(__file__).parents[1]
BUSY = """
import runpy, subprocess, sys
import torch
from kveraser_core.sessions.session import DocumentSession

def endless(*arguments):
    subprocess.Popen(["sleep", "1234"])
    print("reading", flush=True)
    matrix = torch.ones(1200, 1200)
    while True:
        matrix @ matrix

DocumentSession.load = endless
sys.argv = sys.argv[1:]
runpy.run_path("app.py", run_name="__main__")
"""


class Started:
    """The app in a process of its own, its output in a file, its temporary files in `temp`."""

    def __init__(self, folder, *arguments, program=("app.py",)):
        self.port, self.log, self.temp = free_port(), folder / "log", folder / "temp"
        self.temp.mkdir()
        environment = {**os.environ, "TMPDIR": str(self.temp), "HF_HUB_OFFLINE": "1"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *program, "--port", str(self.port), *arguments],
                cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def wait_for(self, text):
        deadline = time.monotonic() + 600  # a busy machine takes minutes to import torch
        while text not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def ends(self, seconds):
        """The exit code; fails unless the process ends within `seconds`."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"it did not end within {seconds} s:\n{self.log.read_text()}")


@pytest.fixture
def start(tmp_path):
    started = []

    def run(*arguments, **options):
        started.append(Started(tmp_path, *arguments, **options))
        return started[-1]

    yield run
    for app in started:
        app.process.kill()
        app.process.wait()


class Client:
    """A connection over which something is sent, and which is then left as it is."""

    def __init__(self, port, head, body=b""):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        lines = [head, f"Host: 127.0.0.1:{port}", "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + body)

    def answer(self, until):
        """What comes back, up to and with `until`."""
        received = b""
        while until not in received:
            more = self.socket.recv(65536)
            assert more, received
            received += more
        return received.decode(errors="replace")


def post(port, path, data, *headers):
    body = json.dumps(data).encode()
    lines = [f"POST {path} HTTP/1.1", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return Client(port, "\r\n".join(lines), body)


def connect_everything(port):
    """One connection of each kind, each begun for certain; the model is at work for the last."""
    idle = Client(port, "GET / HTTP/1.1")
    idle.answer(b"200 OK")
    beat = Client(port, "GET /gradio_api/heartbeat/abc HTTP/1.1")
    beat.answer(b"\r\n\r\n")
    upload = 'Content-Disposition: form-data; name="files"; filename="a.txt"'
    half = Client(
        port,
        "POST /gradio_api/upload HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999",
        f"--b\r\n{upload}\r\n\r\n{'x' * 5000}".encode(),
    )
    head = socket.create_connection(("127.0.0.1", port), timeout=30)
    head.sendall(b"GET / HTTP/1.1\r\nHos")
    accept = "Accept: application/json, text/event-stream"
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about}
    begun = post(port, "/gradio_api/mcp/", hello, accept).answer(b'"serverInfo"')
    ids = [line.split(": ")[1] for line in begun.splitlines() if line.lower().startswith("mcp-session-id")]
    session = [f"Mcp-Session-Id: {ids[0]}"] if ids else []
    mcp = Client(port, "\r\n".join(["GET /gradio_api/mcp/ HTTP/1.1", accept, *session]))
    joined = post(port, "/gradio_api/call/load", {"data": ["A text.", "t"]}).answer(b"event_id")
    event = json.loads(joined[joined.index("{", joined.index("\r\n\r\n")) : joined.rindex("}") + 1])["event_id"]
    stream = Client(port, f"GET /gradio_api/call/load/{event} HTTP/1.1")
    stream.answer(b"\r\n\r\n")
    queue = Client(port, "GET /gradio_api/queue/data?session_hash=abc HTTP/1.1")
    queue.answer(b"\r\n\r\n")
    return [idle, beat, half, head, mcp, stream, queue]


def children(process):
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for task in found.parents[1].iterdir() for pid in (task / "children").read_text().split()]


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


def test_sigterm_ends_it_whatever_is_connected_and_nothing_is_left(start, model_folder):
    app = start("--model", str(model_folder), program=("-c", BUSY, "app.py"))
    app.wait_for("KVEraser is at")
    clients = connect_everything(app.port)
    app.wait_for("reading")
    started = children(app.process)
    assert started
    assert list(app.temp.glob("kveraser-uploads-*"))
    app.process.send_signal(signal.SIGTERM)
    assert app.ends(10) == 0
    assert "Traceback" not in app.log.read_text()
    assert list(app.temp.glob("kveraser*")) == []
    assert not [path for path in app.temp.rglob("*") if path.is_file()]
    deadline = time.monotonic() + 5
    while not all(map(gone, started)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    listening("127.0.0.1", app.port).close()
    del clients


def test_a_second_interrupt_ends_it_at_once_and_quietly(start, model_folder):
    app = start("--model", str(model_folder), program=("-c", BUSY, "app.py"))
    app.wait_for("KVEraser is at")
    clients = connect_everything(app.port)
    app.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert app.process.poll() is None  # requests may end
    app.process.send_signal(signal.SIGINT)
    assert app.ends(2) == 130
    assert "Traceback" not in app.log.read_text()
    assert list(app.temp.glob("kveraser*")) == []
    del clients


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM], ids=["interrupt", "term"])
@pytest.mark.parametrize("after", [0.1, 1.5])
def test_a_signal_while_it_loads_ends_it_quietly(start, kind, after):
    app = start("--model", "someone/nothing")
    deadline = time.monotonic() + 60
    while socket.socket().connect_ex(("127.0.0.1", app.port)):
        assert time.monotonic() < deadline
    time.sleep(after)
    app.process.send_signal(kind)
    assert app.ends(10) == -kind
    assert app.log.read_text() == ""
    assert not any(path.is_file() for path in app.temp.rglob("*"))  # an empty folder goes at the next start


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "70000"], "There is no port 70000"),
        (["--port", "-1"], "There is no port -1"),
        (["--port", str(10**30)], "There is no port 1000"),
        (["--host", "host.invalid", "--port", "0"], "There is no host 'host.invalid'"),
        (["--host", "a" * 300, "--port", "0"], "There is no host 'aaa"),
        (["--host", "", "--port", "0"], "There is no host ''"),
        (["--host", "192.0.2.1", "--port", "0"], "192.0.2.1 is no address of this machine"),
    ],
)
def test_an_address_that_cannot_be_served_is_said_in_one_sentence(arguments, said):
    done = subprocess.run(
        [sys.executable, "app.py", "--model", "/no/such/model", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"kveraser: {said}")
    assert done.stderr.endswith(".\n")
    assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_said_before_the_model_is_looked_for():
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "app.py", "--model", "/no/such/model", "--port", str(port)],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert f"kveraser: Port {port} of 127.0.0.1 is taken by another program" in done.stderr
    assert " torch" not in done.stderr  # nor was it loaded
    assert " gradio" not in done.stderr


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, "This user may not serve at port 80"),
        (errno.EPERM, "This user may not serve at port 80"),
        (errno.EADDRINUSE, "Port 80 of 127.0.0.1 is taken"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_what_the_system_refuses_is_named(monkeypatch, number, said):
    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(CannotListen, match=said):
        listening("127.0.0.1", 80)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "::1", "::"])  # noqa: S104
def test_addresses_of_this_machine_are_listened_at(host):
    try:
        with listening(host, 0) as listener:
            port = listener.getsockname()[1]
            near = "::1" if ":" in host else "127.0.0.1"
            socket.create_connection((near, port), timeout=5).close()
            with pytest.raises(CannotListen, match="taken"):
                listening(host, port)
    except CannotListen as error:
        if ":" in host and not socket.has_dualstack_ipv6():
            pytest.skip(str(error))
        raise


def test_uploads_of_a_killed_server_are_swept_and_those_of_a_running_one_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "kveraser-uploads-link").symlink_to(tmp_path / "elsewhere")
    killed = tmp_path / "kveraser-uploads-killed"
    killed.mkdir()
    (killed / "secret.pdf").write_text("a document")
    running = uploads._new_folder()
    (running / "secret.pdf").write_text("a document")
    own = uploads._new_folder()  # as another server that starts now
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {running.name, own.name, "kveraser-uploads-link", "elsewhere"}
    assert (running / "secret.pdf").exists()
    assert os.environ["GRADIO_TEMP_DIR"] == str(own)


def test_no_room_for_uploads_is_said_in_one_sentence():
    program = (
        "import tempfile\n"
        "def full(*_, **__): raise OSError(28, 'No space left on device')\n"
        "tempfile.mkdtemp = full\n"
        "import app.main"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.startswith("kveraser: Uploads cannot be kept in a temporary folder")
    assert len(run.stderr.splitlines()) == 1
