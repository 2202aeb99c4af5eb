"""Parsing a file in a process of its own, which is killed when it takes too long or too much.

The file may be made to break its parser. So nothing that comes back is believed: how much of it is read is bounded
here, its form is checked, and it can only become text or an error of ours.
"""

import contextlib
import json
import math
import signal
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

from kveraser_core.documents.errors import ERRORS, DocumentError, DocumentTooSlow, damaged, needs_memory
from kveraser_core.documents.formats import MAX_CHARACTERS, Parsed

MAX_SECONDS = 10
MAX_MEMORY = 1_000_000_000
MAX_AT_ONCE = 2
_MAX_HEAD = 1_000_000
_MAX_TEXT = MAX_CHARACTERS * 4
_COMMAND = [sys.executable, "-P", str(Path(__file__).with_name("child.py"))]
_turns = threading.BoundedSemaphore(MAX_AT_ONCE)


def parse_in_child(data: bytes, title: str, password: str | None = None, encoding: str | None = None) -> Parsed:
    """What `formats.parse` gives, within `MAX_SECONDS` and `MAX_MEMORY` bytes; waits for its turn before.

    Raises a `DocumentError`.
    """
    limits = {"seconds": math.ceil(MAX_SECONDS), "memory": MAX_MEMORY}
    asked = {"title": title, "password": password, "encoding": encoding, "size": len(data), **limits}
    try:
        with _turns:
            head, text, end = _run(json.dumps(asked).encode() + b"\n", data)
    except (OSError, RuntimeError) as error:
        raise DocumentError(
            f"{title} could not be read, as no process can be started: end other programs, then try again ({error})."
        ) from error
    parsed = _checked(head, text)
    if isinstance(parsed, DocumentError):
        raise parsed
    if parsed:
        return parsed
    raise _told(end, title)


def _told(end: int | None, title: str) -> DocumentError:
    """The error of a child that gave no answer, by its exit status."""
    if end is None or (end < 0 and end == -signal.SIGXCPU):
        return DocumentTooSlow(
            f"{title} could not be read within {MAX_SECONDS} seconds: save it anew, or give a part of it."
        )
    if end > 0:
        return DocumentError(f"{title} could not be read, by a fault of KVEraser: report it, or give another file.")
    return needs_memory(title) if end < 0 and end == -signal.SIGKILL else damaged(title)


def _run(asked: bytes, data: bytes) -> tuple[bytes, bytes, int | None]:
    """The child's answer, its line and what follows, and its exit status, `None` at the deadline."""
    child = subprocess.Popen(  # noqa: S603
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert child.stdin is not None
    assert child.stdout is not None
    late, end = threading.Event(), 0

    def stop() -> None:
        late.set()
        child.kill()

    clock = threading.Timer(MAX_SECONDS, stop)
    clock.daemon = True
    try:
        clock.start()
        with contextlib.suppress(OSError):  # it may end before it has taken everything
            child.stdin.write(asked)
            child.stdin.write(data)
            child.stdin.flush()
        head = child.stdout.readline(_MAX_HEAD)
        text = child.stdout.read(_MAX_TEXT + 1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            end = child.wait(1)
    finally:
        clock.cancel()
        child.kill()
        child.wait()
        child.stdout.close()
        with contextlib.suppress(OSError):
            child.stdin.close()
    return head, text, None if late.is_set() else end


def _checked(head: bytes, text: bytes) -> Parsed | DocumentError | None:
    """What the child answered, or `None` where that is no whole answer."""
    with contextlib.suppress(ValueError, RecursionError):
        match json.loads(head):
            case {"error": str(name), "message": str(message)} if name in ERRORS:
                return ERRORS[name](message)
            case {
                "size": int(size),
                "page_starts": [0, *starts],
                "warnings": [*told],
                "guessed": str() | None as guessed,
            } if size == len(text):
                written = text.decode()
                whole = len(written) <= MAX_CHARACTERS and all(type(at) is int for at in starts)
                in_order = whole and all(at < after for at, after in pairwise([0, *starts, len(written) + 1]))
                if in_order and all(isinstance(warning, str) for warning in told):
                    return Parsed(written, (0, *starts), tuple(told), guessed)
    return None
