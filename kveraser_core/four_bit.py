"""Weights that were quantised to four bits, found again and kept as such.

A model unpacked from a four-bit file holds, in every group of 32 weights of a row, at most sixteen evenly
spaced values. Decoding is bound by the bytes of the weights, and sixteen levels need a quarter of bf16's.
The levels are the model's own, so nothing is lost.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kveraser_core.row_kernels import GROUP, Array

_LEVELS, _SAMPLE = 15, 16
_TOLERANCE = 2**-7
"""How far a weight may be from its level, as a share of its group's greatest: some roundings to bf16."""


@dataclass(frozen=True)
class FourBit:
    """A weight, `[out, in]`: each is its level times its group's step, plus the group's lowest value.

    `levels`, `[out, in / 64, 32]`, holds two groups' levels in each row of 32 bytes, the first group's in the
    lower halves; `scales`, `[out, 2, in / 32]` in fp32, the groups' steps and lowest values.
    """

    levels: Array
    scales: Array


def four_bit(weight: Tensor) -> FourBit | None:
    """The four-bit form of `weight`, `[out, in]` in bf16 on the CPU; `None` where it has none."""
    out, into = weight.shape
    if into % (2 * GROUP) or weight.dtype != torch.bfloat16 or weight.device.type != "cpu":
        return None
    if _levels(weight[:_SAMPLE]) is None:  # spares other models the conversion of all their weights
        return None
    found = _levels(weight)
    if found is None:
        return None
    levels, step, low = found
    pairs = levels.to(torch.uint8).view(out, -1, 2, GROUP)
    scales = torch.cat((step, low), dim=-1).transpose(1, 2)
    return FourBit((pairs[:, :, 0] | pairs[:, :, 1] << 4).numpy(), np.ascontiguousarray(scales.numpy()))


def _levels(weight: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
    """Each weight's level from 0 to 15, and each group's step and lowest value; `None` where these miss a weight."""
    groups = weight.detach().float().view(len(weight), -1, GROUP)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    step = ((high - low) / _LEVELS).clamp_min(1e-12)
    levels = ((groups - low) / step).round()
    if ((levels * step + low - groups).abs() > _TOLERANCE * groups.abs().amax(-1, keepdim=True)).any():
        return None
    return levels, step, low
