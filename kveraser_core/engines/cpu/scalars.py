"""What kernels are made of: bf16 as its bits, powers of 2, and the small functions of a layer.

At each feature level products are of `WORK` numbers: fp32, or the bits of bf16, of which two are a word.
"""

from typing import Any

import numpy as np
from numba import njit

from kveraser_core.engines.cpu.compiled import OPTIONS, Array
from kveraser_core.engines.cpu.features import LEVEL

WORK: Any = np.uint16 if LEVEL.pairs else np.float32
PER_WORD = 2 if LEVEL.pairs else 1
"""How many of them are in a word of 32 bits."""
BYTES = 4 // PER_WORD
LOG2_E = 1.4426950408889634
LEAST = np.float32(-3e38)
"""Less than any score, and no infinity: kernels are compiled as if there were none."""


@njit(**OPTIONS)
def wide(bits: Any) -> Any:
    """The fp32 value of a bf16's bits."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@njit(**OPTIONS)
def narrow(value: Any) -> Any:
    """The bits of the nearest bf16, of the even one between two."""
    bits = np.float32(value).view(np.uint32)
    half = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.uint16(np.uint32(bits + half) >> np.uint32(16))


@njit(**OPTIONS)
def narrow_all(values: Array, out: Array) -> None:
    """The bits of the nearest bf16 of all `values`, into `out`."""
    for i in range(values.size):
        out[i] = narrow(values[i])


@njit(**OPTIONS)
def widen_all(bits: Array, out: Array) -> None:
    """The fp32 values of bf16's `bits`, into `out`."""
    for i in range(bits.size):
        out[i] = wide(bits[i])


@njit(**OPTIONS)
def _as_it_is(value: Any) -> Any:
    return value


@njit(**OPTIONS)
def _copy_all(values: Array, out: Array) -> None:
    for i in range(values.size):
        out[i] = values[i]


to_work = narrow if LEVEL.pairs else _as_it_is
"""An fp32 number as a `WORK` number."""
all_to_work = narrow_all if LEVEL.pairs else _copy_all
"""All fp32 numbers of an array as `WORK` numbers, into another."""


@njit(**OPTIONS)
def exp2(power: Any) -> Any:
    """2^`power` for powers up to 126: by the power's whole part and a polynomial (Taylor's) of its rest."""
    power = min(max(np.float32(power), np.float32(-126)), np.float32(126))
    whole = np.floor(power + np.float32(0.5))
    rest = power - whole
    value = np.float32(0.00133335581)
    value = value * rest + np.float32(0.00961812910)
    value = value * rest + np.float32(0.0555041086)
    value = value * rest + np.float32(0.240226507)
    value = value * rest + np.float32(0.693147181)
    value = value * rest + np.float32(1)
    return value * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@njit(**OPTIONS)
def silu(value: Any) -> Any:
    return value / (np.float32(1) + exp2(value * np.float32(-LOG2_E)))


@njit(**OPTIONS)
def norm_scale(row: Array, epsilon: Any) -> Any:
    """What RMSNorm multiplies `row` by, but for its weight."""
    squares = np.float32(0)
    for i in range(row.size):
        squares += row[i] * row[i]
    return np.float32(1) / np.sqrt(squares / np.float32(row.size) + epsilon)


@njit(**OPTIONS)
def turn(head: Array, cos: Array, sin: Array, scale: Any, out: Array) -> None:
    """A head, `[D]`, at its rotary position and times `scale`; of `cos` and `sin` the first `D / 2` are read."""
    half = head.size // 2
    for i in range(half):
        a, b = head[i], head[half + i]
        out[i] = (a * cos[i] - b * sin[i]) * scale
        out[half + i] = (b * cos[i] + a * sin[i]) * scale
