"""Uploaded files: they lie in a folder of this process alone, and no other file is taken for one.

Gradio reads its folder from the environment, in part while it is imported, so `app/__init__.py` imports this
module first.
"""

import atexit
import contextlib
import fcntl
import os
import shutil
import stat
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from kveraser_core.documents import MAX_BYTES
from kveraser_core.errors import KVEraserError

_PREFIX = "kveraser-uploads-"
_KEEP_S = 3600.0
_AT_ONCE = 4
_MOST, _MOST_A_CLIENT = 40 * MAX_BYTES, 10 * MAX_BYTES
"""Bytes that all uploads may take on the disk, and that one client may send while they are kept."""


class NotUploaded(KVEraserError):
    """Something is given as an uploaded file and is none."""

    def __init__(self) -> None:
        super().__init__(
            "This is not a file that was uploaded here: send it to /gradio_api/upload, and give the path it returns."
        )


class UploadsFull(KVEraserError):
    """There is no room for another upload, of this client or at all."""


class Allowance:
    """How much each client has sent of late, whether or not it came to an upload."""

    def __init__(self) -> None:
        self._sent: dict[str, list[tuple[float, int]]] = {}
        self._under_way: Counter[str] = Counter()

    def begin(self, client: str, most: int) -> None:
        """An upload of `client` begins, of `most` bytes at most, which count until it ends. Raises `UploadsFull`."""
        since = time.monotonic() - _KEEP_S
        for name, entries in list(self._sent.items()):
            self._sent[name] = [(at, size) for at, size in entries if at > since]
            if not self._sent[name]:
                del self._sent[name]
        if self._under_way[client] >= _AT_ONCE:
            raise UploadsFull(f"{_AT_ONCE} uploads of yours are under way: wait until one has ended.")
        if _bytes(self._sent.get(client, ())) + most * self._under_way[client] > _MOST_A_CLIENT:
            raise UploadsFull(f"More than {_MOST_A_CLIENT:,} bytes came from you within an hour: go on later.")
        if sum(map(_bytes, self._sent.values())) + most * self._under_way.total() > _MOST:
            raise UploadsFull(f"More than {_MOST:,} bytes of uploads are kept for an hour each: go on later.")
        self._under_way[client] += 1

    def end(self, client: str, size: int) -> None:
        """An upload of `client` has ended, for which `size` bytes count for an hour."""
        self._under_way -= Counter([client])
        self._sent.setdefault(client, []).append((time.monotonic(), size))


def _bytes(entries: Iterable[tuple[float, int]]) -> int:
    return sum(size for _, size in entries)


def remember(paths: Iterable[str]) -> None:
    """Take note that files were uploaded to `paths`. What Gradio itself copies into the folder is no upload."""
    _known.update(paths)


def is_upload(path: object) -> bool:
    """Whether `path` is where an upload went, in the upload folder by no link, and still an ordinary file."""
    if not isinstance(path, str) or path not in _known:
        return False
    try:
        inside = path == os.path.realpath(path) and Path(path).is_relative_to(FOLDER)
        return inside and _is_ordinary(os.lstat(path))
    except OSError:
        return False


def read_upload(path: object) -> tuple[bytes, str]:
    """The content, of `MAX_BYTES` and one more at most, and the name of an uploaded file. Raises `NotUploaded`.

    What is read is what was checked, even if the name comes to stand for another file meanwhile.
    """
    if not isinstance(path, str) or not is_upload(path):
        raise NotUploaded
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NotUploaded from error
    with os.fdopen(opened, "rb") as file:
        if not _is_ordinary(os.fstat(opened)):
            raise NotUploaded
        return file.read(MAX_BYTES + 1), os.path.basename(path)


def sweep(older_than_s: float = _KEEP_S) -> None:
    """Delete the uploads, finished or broken off, that are older than `older_than_s`."""
    before = time.time() - older_than_s
    for folder, folders, files in os.walk(FOLDER, topdown=False):
        for remove, names in ((os.unlink, files), (os.rmdir, folders)):
            for path in (os.path.join(folder, name) for name in names):
                with contextlib.suppress(OSError):  # gone meanwhile, or a folder that is not empty
                    if os.lstat(path).st_mtime < before:
                        remove(path)
                        _known.discard(path)


def _is_ordinary(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.getuid()


def _new_folder() -> Path:
    """A fresh folder, locked for as long as this process lives; those of killed processes are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if (lock := _lock(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix=_PREFIX)))  # mode 0700
    if _lock(folder) is None:  # another process that starts now takes it for left over
        return _new_folder()
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _lock(folder: Path) -> int | None:
    """Lock `folder`, unless another process has it or it is not ours. Returns the open descriptor."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened


_known: set[str] = set()
try:
    FOLDER = _new_folder()
except OSError as failure:
    reason = f"Uploads cannot be kept in a temporary folder ({failure})"
    print(f"kveraser: {reason}: set TMPDIR to a folder that can be written to.", file=sys.stderr)
    raise SystemExit(2) from failure
