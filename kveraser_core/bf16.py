"""Numbers inside the kernels: bf16 as its bits, and powers of 2."""

from typing import Any

import numpy as np
from numba import njit

from kveraser_core.compiled import OPTIONS

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
def pair(first: Any, second: Any) -> Any:
    """The bits of two bf16, the first in the lower half."""
    return np.uint32(first) | (np.uint32(second) << np.uint32(16))


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
