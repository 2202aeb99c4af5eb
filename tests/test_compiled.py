"""Where compiled kernels are kept, and that they run where they cannot be kept."""

import os
import shutil
import subprocess
import sys

import numba
import pytest

from kveraser_core.engines.cpu import compiled
from kveraser_core.engines.cpu.compiled import OPTIONS, keeps

PROGRAM = """
from numba import njit
from kveraser_core.engines.cpu.compiled import OPTIONS
@njit(**OPTIONS)
def tripled(number):
    return 3 * number
print(tripled(4))
"""


def tripled(number):
    return 3 * number


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def test_a_kernel_runs_where_it_cannot_be_kept_and_leaves_nothing_elsewhere(tmp_path):
    (tmp_path / "kveraser").write_text("no folder")
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "12\n", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kveraser", "program.py"]


@pytest.mark.parametrize("kind", ["*.nbi", "*.nbc"])
@pytest.mark.parametrize("length", [0, 60])
def test_kernels_that_a_crash_cut_short_are_compiled_again(home, kind, length):
    kernel = numba.njit(**OPTIONS | {"cache": True})
    assert kernel(tripled)(4) == 12
    (path,) = home.rglob(kind)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(Exception, match=r"input|pickle|truncated"):  # what numba itself does
        kernel(tripled)(4)
    assert keeps(home)
    assert kernel(tripled)(4) == 12


def test_kernels_that_are_whole_stay(home):
    assert numba.njit(**OPTIONS | {"cache": True})(tripled)(4) == 12
    files = {path: path.stat().st_mtime_ns for path in home.rglob("*.nb[ic]")}
    assert len(files) == 2
    assert keeps(home)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*.nb[ic]")} == files


def test_nothing_is_kept_on_a_full_disk(tmp_path, monkeypatch):
    assert keeps(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(2**30, 2**30, 2**20))
    assert not keeps(tmp_path)


def test_nothing_is_kept_where_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert not keeps(tmp_path / "file")
    assert not keeps(tmp_path / "file" / "below")

    def read_only(**options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(compiled.tempfile, "TemporaryFile", read_only)
    assert not keeps(tmp_path)
