"""How numba compiles the kernels, and where it keeps what it compiled.

They are kept in the user's cache folder, in one folder for each state of their sources: numba itself compiles
a kernel again only when the kernel's own file has changed, not when one that it is made of has.
"""

import hashlib
from pathlib import Path
from typing import Any

import numba
import numpy as np
import platformdirs
import torch
from torch import Tensor

Array = np.ndarray[Any, Any]

OPTIONS: dict[str, Any] = {"fastmath": True, "error_model": "numpy", "nogil": True, "cache": True}
"""What every kernel is compiled with."""

_SOURCES = (
    "bf16.py",
    "bf16_tile.py",
    "bf16_weights.py",
    "block_attention.py",
    "block_kernels.py",
    "row_kernels.py",
    "vector_code.py",
)


def _folder() -> Path:
    sources = b"".join((Path(__file__).parent / name).read_bytes() for name in _SOURCES)
    state = hashlib.sha256(sources + numba.__version__.encode()).hexdigest()[:16]
    return platformdirs.user_cache_path("kveraser") / "kernels" / state


numba.config.CACHE_DIR = str(_folder())  # type: ignore[attr-defined]


def share_threads() -> None:
    """Use as many threads as PyTorch does."""
    threads = torch.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    if torch.get_num_threads() != threads:  # numba starts with all, and OpenMP's number is for both
        torch.set_num_threads(threads)


def bits(tensor: Tensor) -> Array:
    """The own memory of a bf16 tensor, if it lies in order, as integers."""
    return tensor.detach().contiguous().view(torch.uint16).numpy()
