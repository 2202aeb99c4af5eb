"""How numba compiles the kernels, and where it keeps what it compiled.

They are kept in the user's cache folder, in one folder for each state of their sources and each feature level: numba
itself compiles a kernel again only when the kernel's own file has changed, not when one that it is made of has. Where
nothing can be kept there they are compiled at every start.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numba
import numpy as np
import platformdirs
import torch
from torch import Tensor

from kveraser_core.engines.cpu.features import LEVEL
from kveraser_core.engines.engine import EngineError

Array = np.ndarray[Any, Any]

_ROOM = 64 * 2**20
"""Bytes that must be free for kernels to be kept; they take less."""

_SOURCES = (
    "features.py",
    "scalars.py",
    "tile.py",
    "weights.py",
    "block_attention.py",
    "block_kernels.py",
    "products.py",
    "row_kernels.py",
    "vector_code.py",
)


def _folder() -> Path:
    sources = b"".join((Path(__file__).parent / name).read_bytes() for name in _SOURCES)
    state = hashlib.sha256(sources + f"{numba.__version__} {LEVEL.name}".encode()).hexdigest()[:16]
    return platformdirs.user_cache_path("kveraser") / "kernels" / state


def keeps(folder: Path) -> bool:
    """Whether kernels can be kept in `folder`. What a crash has cut short there goes; numba would fail on it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for path in folder.rglob("*.nb[ic]"):  # pickles, which all end with a stop
            if path.read_bytes()[-1:] != b".":
                path.unlink()
        return shutil.disk_usage(folder).free >= _ROOM
    except OSError:
        return False


if LEVEL.compiled_for:
    numba.config.CPU_NAME = LEVEL.compiled_for  # type: ignore[attr-defined]
_home = _folder()
numba.config.CACHE_DIR = str(_home)  # type: ignore[attr-defined]

OPTIONS: dict[str, Any] = {"fastmath": True, "error_model": "numpy", "nogil": True, "cache": keeps(_home)}
"""What every kernel is compiled with."""


def share_threads() -> None:
    """Use as many threads as PyTorch does."""
    threads = torch.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    if torch.get_num_threads() != threads:  # numba starts with all, and OpenMP's number is for both
        torch.set_num_threads(threads)


def bits(tensor: Tensor) -> Array:
    """The own memory of a bf16 tensor, if it lies in order, as integers. Raises `EngineError` for another dtype."""
    if tensor.dtype != torch.bfloat16:
        raise EngineError(
            f"The compiled kernels read keys and values in bf16, not in {tensor.dtype}: make caches by "
            "Backbone.new_cache, or set KVERASER_ENGINE to torch."
        )
    return tensor.detach().contiguous().view(torch.uint16).numpy()
