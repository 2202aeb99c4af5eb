"""Where the packaged model cannot be converted, one sentence says why; nothing is converted here."""

import errno
import os
import shutil

import pytest
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from kveraser_core.model import packaged as module
from kveraser_core.model.gguf.convert import CacheUnwritable
from kveraser_core.model.packaged import NoPackagedModel, packaged_model

pytestmark = pytest.mark.packaged


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def said(kind):
    with pytest.raises(kind) as caught:
        packaged_model()
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_where_the_cache_folder_should_be(cache):
    cache.write_text("")
    sentence = said(CacheUnwritable)
    assert str(cache / "kveraser" / "models") in sentence
    assert "Not a directory" in sentence
    assert "XDG_CACHE_HOME" in sentence


@pytest.mark.parametrize(
    "fault",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EROFS, os.strerror(errno.EROFS)),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
    ids=lambda fault: str(fault)[:12],
)
def test_a_fault_of_the_disk_while_it_is_written(cache, monkeypatch, fault):
    def fail(source, target):
        raise fault

    monkeypatch.setattr(module, "_convert", fail)
    sentence = said(CacheUnwritable)
    assert str(cache) in sentence
    assert (getattr(fault, "strerror", None) or "No space left on device") in sentence
    assert [path.name for path in (cache / "kveraser" / "models").iterdir()] == [".lock"]


def test_too_little_room_is_said_before_the_conversion(cache, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(2**30, 2**30, 2**20))
    monkeypatch.setattr(module, "_convert", lambda *paths: pytest.fail("it was begun"))
    assert "free 300 MB" in said(CacheUnwritable)


def test_a_damaged_package(cache, tmp_path, monkeypatch):
    (tmp_path / module._GGUF).write_bytes(b"GGUF" + bytes(100))
    monkeypatch.setattr(module, "_folder", lambda package: tmp_path)
    assert "--force-reinstall" in said(NoPackagedModel)


def test_an_altered_conversion_is_made_again(cache, monkeypatch, model_folder):
    """As `packaged_model` does it, from a model that is small enough to convert here."""
    times = []

    def convert(source, target):
        times.append(target)
        AutoModelForCausalLM.from_pretrained(model_folder).save_pretrained(target)
        AutoTokenizer.from_pretrained(model_folder).save_pretrained(target)

    monkeypatch.setattr(module, "_convert", convert)
    weights = packaged_model() / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert packaged_model() / "model.safetensors" == weights
    assert weights.read_bytes() == whole
    assert packaged_model().exists()
    assert len(times) == 2
