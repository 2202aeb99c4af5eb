"""A GGUF file becomes a folder that transformers loads: checked, unpacked, and kept in the user's cache folder.

Unpacking takes a second for each ten million weights or so, so it is done once for each file, by its content.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import gguf
import platformdirs
from gguf import GGUFReader
from safetensors import SafetensorError
from safetensors.torch import save_file
from transformers.integrations.gguf import read_gguf_metadata

from kveraser_core.errors import KVEraserError
from kveraser_core.model.gguf.config import generation_config, read_config
from kveraser_core.model.gguf.errors import DamagedFile, blaming
from kveraser_core.model.gguf.tokenizer import LISTS, read_tokenizer
from kveraser_core.model.gguf.weights import FREQUENCIES, unpacked
from kveraser_core.model.loading import UnsupportedModel, check_supported
from kveraser_core.model.made_once import made_once

SUFFIX = ".gguf"


class CacheUnwritable(KVEraserError):
    """The user's cache folder, in which converted models are kept, takes no more."""


def converted(file: Path) -> Path:
    """The folder of the model in the GGUF `file`, converted on first use and where it was altered.

    Raises `UnsupportedModel`, which says what is wrong with the file, or `CacheUnwritable`.
    """
    if not file.is_file():
        raise UnsupportedModel(f"There is no file {file}: give the path of a GGUF file that is there.")
    with file.open("rb") as opened:
        content = hashlib.file_digest(opened, "sha256").hexdigest()
    weights = file.stat().st_size * 16 // 4  # in two bytes each, were all of them of four bits
    return kept(f"gguf-{content[:32]}", lambda folder: convert(file, folder), weights, f"The model {file.name}")


def kept(name: str, make: Callable[[Path], None], needed: int, what: str) -> Path:
    """The folder `name` of the cache, as `made_once` makes it. Raises `CacheUnwritable`, which says `what` it is."""
    home = platformdirs.user_cache_path("kveraser") / "models"
    try:
        return made_once(home / name, make, needed)
    except (OSError, SafetensorError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())
        raise CacheUnwritable(
            f"{what} cannot be kept in {home} ({reason}): free {needed // 2**20:,} MB there and let it be "
            "written to, or set XDG_CACHE_HOME to another folder."
        ) from error


def convert(file: Path, folder: Path) -> None:
    """Write the model in `file` and its tokenizer into `folder`. Raises `UnsupportedModel`."""
    try:
        metadata, tensors = read(file)
        with blaming("its tokenizer cannot be rebuilt"):
            tokenizer = read_tokenizer(metadata)
        with blaming("its metadata make no model"):
            frequencies = next((tensor.data for tensor in tensors if tensor.name == FREQUENCIES), None)
            config = read_config(metadata, {tensor.name for tensor in tensors}, frequencies)
        check_supported(config, file.name)
        with blaming("its weights cannot be unpacked"):
            weights = dict(unpacked(tensors, config))
    except DamagedFile as error:
        raise UnsupportedModel(
            f"The GGUF file {file.name} could not be loaded, for {error}: get the file again, or use another one."
        ) from error
    save_file(
        {name: weight.contiguous() for name, weight in weights.items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    config.save_pretrained(folder)
    generation_config(metadata).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def read(file: Path) -> tuple[dict, list[gguf.ReaderTensor]]:
    """The metadata and the tensors of `file`, none of which is read yet. Raises `DamagedFile`."""
    with file.open("rb") as opened:
        if opened.read(4) != b"GGUF":
            raise DamagedFile("it is no GGUF file: it does not begin as one")
    with blaming("it is cut short or damaged"):
        metadata, _ = read_gguf_metadata(str(file), LISTS)
        if metadata.get("split.count", 1) > 1:
            parts = metadata["split.count"]
            raise DamagedFile(f"it is one of {parts} parts, which llama.cpp's llama-gguf-split --merge puts together")
        return metadata, GGUFReader(file).tensors
