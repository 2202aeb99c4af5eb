"""The process in which one file is parsed: the file comes on standard input, its text goes to standard output.

In: a line of JSON (`title`, `password`, `size`, `seconds`, `memory`), then `size` bytes. Out: a line of JSON, which
is `error` (the name of a `DocumentError`) and `message`, or `size` and `page_starts`, then `size` bytes of UTF-8. It
ends by itself when the process that started it does.

It is started by its path, so that no module of the folder one works in can take the place of another.
"""

import contextlib
import json
import os
import sys
import threading
from pathlib import Path


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a parser prints is no part of the answer
    asked = json.loads(sys.stdin.buffer.readline())
    limit(asked["seconds"], asked["memory"])
    data = sys.stdin.buffer.read(asked["size"])
    if len(data) < asked["size"]:
        return
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.path.append(str(Path(__file__).parents[1]))
    head, text = answer(data, asked["title"], asked["password"])
    answers.write(json.dumps(head).encode() + b"\n" + text)
    answers.flush()
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


def answer(data: bytes, title: str, password: str | None) -> tuple[dict[str, object], bytes]:
    from kveraser_core.document_errors import DocumentError, needs_memory
    from kveraser_core.document_formats import parse

    try:
        text, starts = parse(data, title, password)
        written = text.encode()
    except DocumentError as error:
        return {"error": type(error).__name__, "message": str(error)}, b""
    except MemoryError:
        return {"error": "DocumentNeedsMemory", "message": str(needs_memory(title))}, b""
    except ImportError as error:
        message = f"{title} cannot be read without what KVEraser requires: install it again ({error})."
        return {"error": "DocumentError", "message": message}, b""
    return {"size": len(written), "page_starts": starts}, written


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
