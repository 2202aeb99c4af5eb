"""What the server's process leaves nothing of when it ends: its temporary files, its children, its threads."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import psutil
from filelock import FileLock, Timeout

from kveraser_core.errors import KVEraserError

_PREFIX, _LOCK = "kveraser-server-", ".lock"


class NoTemporaryFolder(KVEraserError):
    """Uploads cannot be kept anywhere."""


@contextmanager
def temporary_files() -> Iterator[Path]:
    """All temporary files, uploads among them, go into a folder that is removed in the end.

    The folders of servers that were killed are removed as well: each server holds a lock on its own. Raises
    `NoTemporaryFolder`.
    """
    try:
        home = Path(tempfile.gettempdir())
        _sweep(home)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = FileLock(folder / _LOCK)
        lock.acquire()
    except OSError as error:
        raise NoTemporaryFolder(
            f"Uploads cannot be kept in a temporary folder ({error}): set TMPDIR to a folder that can be written to."
        ) from error
    kept = {"TMPDIR": str(folder), "GRADIO_TEMP_DIR": str(folder / "uploads")}
    before = {name: os.environ.get(name) for name in kept}
    os.environ.update(kept)
    tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = str(home)
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def end(code: int) -> NoReturn:
    """End this process and its children now, whatever its threads are in the midst of."""
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.SIG_IGN)
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.terminate()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _sweep(home: Path) -> None:
    for folder in home.glob(f"{_PREFIX}*"):
        with suppress(OSError, Timeout):
            if (folder / _LOCK).is_file() and folder.stat().st_uid == os.getuid():
                with FileLock(folder / _LOCK, timeout=0):
                    shutil.rmtree(folder)
