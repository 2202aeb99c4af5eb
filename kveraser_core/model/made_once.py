"""A folder that takes long to make: made once, checked whenever it is used, made again where it was altered.

It is made in a scratch folder beside it and renamed into place, its checksums written last. One process makes it
while others wait at a file lock, which the system gives free when its holder dies; so whoever holds the lock
may sweep what killed processes have left. The checksums find a full disk, a crash and a bad sector. They are no
defence against someone who may write into the folder.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

SUMS = "checksums.json"
_LOCK = ".lock"


def made_once(folder: Path, make: Callable[[Path], None], needed: int) -> Path:
    """`folder` with all that `make` put into the empty folder that it was given.

    The parent folder holds only such folders. `needed` is how many bytes must be free there before it is made.
    Raises `OSError` where that is not so or nothing can be written, and what `make` raises.
    """
    home = folder.parent
    if is_intact(folder):
        if _left_over(home):
            with suppress(OSError, Timeout), FileLock(home / _LOCK, timeout=0):
                _sweep(home)
        return folder
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / _LOCK):
        _sweep(home)
        if is_intact(folder):
            return folder
        if shutil.disk_usage(home).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=home))
        try:
            new = scratch / "new"
            new.mkdir()
            make(new)
            sums = {path.name: _sum_of(path) for path in sorted(new.iterdir())}
            (new / SUMS).write_text(json.dumps(sums, indent=2) + "\n")
            with suppress(FileNotFoundError):
                os.replace(folder, scratch / "old")
            os.replace(new, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder


def is_intact(folder: Path) -> bool:
    """Whether `folder` holds the files that were made, each byte of them, and no other."""
    try:
        sums = json.loads((folder / SUMS).read_bytes())
        paths = {path.name: path for path in folder.iterdir() if path.name != SUMS}
        return paths.keys() == sums.keys() and all(_sum_of(path) == sums[name] for name, path in paths.items())
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def _sum_of(path: Path) -> str:
    if not path.is_file():
        raise OSError(errno.EINVAL, f"{path.name} is no file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _left_over(home: Path) -> list[Path]:
    return [path for path in home.glob(".*") if path.is_dir()]


def _sweep(home: Path) -> None:
    """Remove the scratch folders of processes that are no more. The caller holds the lock."""
    for path in _left_over(home):
        shutil.rmtree(path, ignore_errors=True)
