"""The process in which one file is parsed: the file comes on standard input, its text goes to standard output.

In: a line of JSON (`title`, `password`, `encoding`, `size`, `seconds`, `memory`), then `size` bytes. Out: a line of
JSON, which is `error` (the name of a `DocumentError`) and `message`, or `size`, `page_starts`, `warnings` and
`guessed`, then `size` bytes of UTF-8. It ends by itself when the process that started it does.

It is started by its path, so that no module of the folder one works in can take the place of another.
"""

import contextlib
import json
import os
import signal
import sys
import threading
from pathlib import Path

_NO_ROOM = ("failed to map segment", "annot allocate memory")
"""What the system's loader says where a library does not fit into memory."""


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a parser prints is no part of the answer
    asked = json.loads(sys.stdin.buffer.readline())
    limit(asked["seconds"], asked["memory"])
    data = sys.stdin.buffer.read(asked["size"])
    if len(data) < asked["size"]:
        return
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.path.append(str(Path(__file__).parents[2]))
    try:
        head, text = answer(data, asked["title"], asked["password"], asked["encoding"])
        answers.write(json.dumps(head).encode() + b"\n" + text)
        answers.flush()
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(0)  # a tree a million deep is not taken apart first


def limit(seconds: int, memory: int) -> None:
    """Bound this process by seconds of processor time and bytes of address space, where the system can do that."""
    try:
        import resource
    except ImportError:
        return
    for kind, most, last in (
        (resource.RLIMIT_CPU, seconds, seconds + 1),  # at the first it ends by SIGXCPU, at the last by SIGKILL
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, last))
    sys.unraisablehook = _end_for_want_of_memory


def answer(
    data: bytes, title: str, password: str | None, encoding: str | None = None
) -> tuple[dict[str, object], bytes]:
    from kveraser_core.documents.errors import DocumentError
    from kveraser_core.documents.formats import parse

    try:
        text, starts, warnings, guessed = parse(data, title, password, encoding)
    except DocumentError as error:
        return {"error": type(error).__name__, "message": str(error)}, b""
    except ImportError as error:
        if any(said in str(error) for said in _NO_ROOM):  # a parser that was to be loaded
            raise MemoryError from error
        message = f"{title} cannot be read without what KVEraser requires: install it again ({error})."
        return {"error": "DocumentError", "message": message}, b""
    written = text.encode()
    return {"size": len(written), "page_starts": starts, "warnings": warnings, "guessed": guessed}, written


def _end_for_want_of_memory(ignored: "sys.UnraisableHookArgs") -> None:
    """End where a parser would go on without what it had no memory for."""
    if issubclass(ignored.exc_type, MemoryError):
        os.kill(os.getpid(), signal.SIGKILL)


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
