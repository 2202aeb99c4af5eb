"""The folder that is made once: altered, killed while it is made, wanted by two at once, and without room."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kveraser_core.model import made_once as module
from kveraser_core.model.made_once import SUMS, is_intact, made_once

CONTENT = {"model.safetensors": b"weights" * 5000, "config.json": b"{}"}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "models" / "tiny-1.0"


class Maker:
    def __init__(self):
        self.times = 0

    def __call__(self, target):
        self.times += 1
        for name, content in CONTENT.items():
            (target / name).write_bytes(content)


def holds_what_was_made(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != SUMS} == CONTENT


def beside(folder):
    return sorted(path.name for path in folder.parent.iterdir() if path.name not in (folder.name, ".lock"))


def test_it_is_made_once(folder):
    make = Maker()
    assert made_once(folder, make, 0) == folder
    assert made_once(folder, make, 0) == folder
    assert make.times == 1
    assert holds_what_was_made(folder)
    assert beside(folder) == []


def cut(folder):
    (folder / "model.safetensors").write_bytes(CONTENT["model.safetensors"][:-1])


def flip(folder):
    content = bytearray(CONTENT["model.safetensors"])
    content[20_000] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def replace_by_a_file(folder):
    shutil.rmtree(folder)
    folder.write_text("a file")


def replace_by_a_broken_link(folder):
    shutil.rmtree(folder)
    folder.symlink_to("nowhere")


def replace_a_file_by_a_pipe(folder):
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


@pytest.mark.parametrize(
    "alter",
    [
        cut, flip, replace_by_a_file, replace_by_a_broken_link, replace_a_file_by_a_pipe, shutil.rmtree,
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "adapter_config.json").write_text("{}"),
        lambda folder: (folder / SUMS).unlink(),
        lambda folder: (folder / SUMS).write_text(""),
        lambda folder: (folder / SUMS).write_text("[]"),
        lambda folder: (folder / SUMS).write_text("[" * 100_000),
        lambda folder: (folder / SUMS).write_text(json.dumps(dict.fromkeys(CONTENT, 0))),
    ],
    ids=["cut", "flipped", "a-file", "a-broken-link", "a-pipe", "gone", "file-gone", "file-added",
         "older-version", "sums-empty", "sums-a-list", "sums-deep", "sums-wrong"],
)  # fmt: skip
def test_what_was_altered_is_made_again(folder, alter):
    make = Maker()
    made_once(folder, make, 0)
    alter(folder)
    assert not is_intact(folder)
    made_once(folder, make, 0)
    assert make.times == 2
    assert holds_what_was_made(folder)
    assert beside(folder) == []


SLOW = """
import sys, time
from pathlib import Path
from kveraser_core.model.made_once import made_once
folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
def make(target):
    with open(folder.parent.parent / "made", "a") as log:
        log.write("made\\n")
    (target / "model.safetensors").write_bytes(b"weights" * 5000)
    time.sleep(seconds)
    (target / "config.json").write_bytes(b"{}")
print(made_once(folder, make, 0))
"""


def start(folder, seconds):
    return subprocess.Popen([sys.executable, "-c", SLOW, str(folder), str(seconds)], stdout=subprocess.PIPE)


def wait_until_it_is_being_made(folder):
    deadline = time.monotonic() + 30
    while not list(folder.parent.glob(".*/new/model.safetensors")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_of_three_processes_that_start_at_once_one_makes_it(folder):
    started = [start(folder, 0.3) for _ in range(3)]
    assert [process.communicate()[0].strip() for process in started] == [str(folder).encode()] * 3
    assert [process.returncode for process in started] == [0, 0, 0]
    assert (folder.parent.parent / "made").read_text() == "made\n"
    assert holds_what_was_made(folder)


@pytest.mark.parametrize("ready", [False, True], ids=["not-made-yet", "made-by-another"])
def test_what_a_killed_process_left_is_swept_at_the_next_start(folder, ready):
    killed = start(folder, 60)
    wait_until_it_is_being_made(folder)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    left = beside(folder)
    assert len(left) == 1
    if ready:
        kept = folder.parent / left[0]
        shutil.copytree(kept, folder.parent.parent / "kept")
        made_once(folder, Maker(), 0)
        shutil.copytree(folder.parent.parent / "kept", kept)
    made_once(folder, Maker(), 0)
    assert beside(folder) == []
    assert holds_what_was_made(folder)


def test_what_another_process_is_making_is_never_swept(folder):
    other = folder.with_name("tiny-2.0")
    made_once(folder, Maker(), 0)
    making = start(other, 1.5)
    wait_until_it_is_being_made(other)
    make = Maker()
    assert made_once(folder, make, 0) == folder  # at once, it waits for nobody
    assert make.times == 0
    assert list(folder.parent.glob(".*/new/model.safetensors"))
    assert making.communicate()[0].strip() == str(other).encode()
    assert holds_what_was_made(other)


def test_a_fault_while_it_is_made_leaves_nothing(folder):
    def make(target):
        (target / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        made_once(folder, make, 0)
    assert not folder.exists()
    assert beside(folder) == []


def test_it_is_not_begun_without_the_room_for_it(folder):
    make = Maker()
    with pytest.raises(OSError, match="No space"):
        made_once(folder, make, 2**62)
    assert make.times == 0


def test_what_is_ready_is_used_from_a_folder_that_cannot_be_written(folder, monkeypatch):
    made_once(folder, Maker(), 0)
    (folder.parent / ".tiny-1.0-left").mkdir()

    def read_only(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("mkdir", "write_text", "write_bytes"):
        monkeypatch.setattr(Path, name, read_only)
    monkeypatch.setattr(module, "FileLock", read_only)
    make = Maker()
    assert made_once(folder, make, 2**62) == folder
    assert make.times == 0
