"""The feature level: which instructions of the CPU the kernels for blocks of tokens are made of.

It is chosen once for a process, by the CPU. The environment variable `KVERASER_CPU` forces one, so that a machine
can test all that it can run.
"""

import os
import platform
from typing import NamedTuple

import torch

from kveraser_core.errors import KVEraserError

VARIABLE = "KVERASER_CPU"


class FeatureLevel(NamedTuple):
    """How many fp32 numbers a register holds, and how many rows by registers of sums a tile of a product has.

    With `pairs` products are of pairs of bf16, by dot product instructions, else of fp32, by multiply-add.
    `compiled_for` names the CPU that LLVM compiles for where it is not the one at hand.
    """

    name: str
    lanes: int
    rows: int
    pairs: bool
    compiled_for: str | None = None


class FeatureError(KVEraserError):
    """A feature level that does not exist or that this CPU does not have."""


def _levels() -> list[FeatureLevel]:
    """What this CPU can run, the best first."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return [FeatureLevel("vector128", lanes=4, rows=8, pairs=False)]  # NEON and its like, of 32 registers
    levels = [FeatureLevel("sse", lanes=4, rows=4, pairs=False, compiled_for="x86-64-v2")]
    if torch.cpu._is_avx2_supported():
        levels.insert(0, FeatureLevel("avx2", lanes=8, rows=4, pairs=False, compiled_for="x86-64-v3"))
    if torch.cpu._is_avx512_supported():
        levels.insert(0, FeatureLevel("avx512", lanes=16, rows=8, pairs=False, compiled_for="x86-64-v4"))
    if torch.cpu._is_avx512_bf16_supported():
        levels.insert(0, FeatureLevel("avx512_bf16", lanes=16, rows=8, pairs=True))
    return [levels[0]._replace(compiled_for=None), *levels[1:]]


def feature_level() -> FeatureLevel:
    """The level in force. Raises `FeatureError`."""
    levels = {level.name: level for level in _levels()}
    name = os.environ.get(VARIABLE) or next(iter(levels))
    if name not in levels:
        raise FeatureError(
            f"This CPU has no feature level {name!r}: set {VARIABLE} to {' or '.join(levels)}, or leave it out."
        )
    return levels[name]


LEVEL = feature_level()
