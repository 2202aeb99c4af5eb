"""The folder of uploads: swept when they are old, and when the process that made it was killed."""

import os
from pathlib import Path

from app import uploads
from tests.serving import Served


def test_uploads_are_swept_when_they_are_old(served: Served):
    path = Path(served.uploaded(b"old", "old.txt"))
    uploads.sweep()
    assert path.exists()
    os.utime(path, (0, 0))
    os.utime(path.parent, (0, 0))
    uploads.sweep()
    assert not path.exists()


def test_the_folder_of_a_killed_process_is_removed_and_that_of_a_living_one_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(uploads.tempfile, "mkdtemp", lambda prefix: _made(tmp_path / f"{prefix}new"))
    monkeypatch.setattr(uploads.atexit, "register", lambda *given, **named: None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    living, killed = (_made(tmp_path / f"kveraser-uploads-{name}") for name in ("living", "killed"))
    assert uploads._lock(Path(living)) is not None
    assert uploads._new_folder() == tmp_path / "kveraser-uploads-new"
    assert Path(living).exists()
    assert not Path(killed).exists()


def _made(path: Path) -> str:
    path.mkdir(mode=0o700)
    return str(path)
