"""Weights that were quantised to four or eight bits, found again and kept as such.

A model unpacked from a quantised file holds few values in every group of 32 weights of a row: sixteen evenly
spaced ones at four bits, whole multiples of a step at eight. Decoding is bound by the bytes of the weights,
and these need a quarter or half of bf16's. The levels are the model's own, but for those that bf16 had
rounded too far to tell from the next.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kveraser_core.engines.cpu.compiled import Array
from kveraser_core.engines.cpu.row_kernels import GROUP

_SAMPLE, _ROWS = 16, 4096
_TOLERANCE = 2**-7
"""How far a weight may be from its level: some roundings to bf16."""


@dataclass(frozen=True)
class FourBit:
    """A weight, `[out, in]`: each is its level times its group's step, plus the group's lowest value.

    `levels`, `[out, in / 64, 32]`, holds two groups' levels in each row of 32 bytes, the first group's in the
    lower halves; `scales`, `[out, 2, in / 32]` in fp32, the groups' steps and lowest values.
    """

    levels: Array
    scales: Array


@dataclass(frozen=True)
class EightBit:
    """A weight, `[out, in]`: each is its level, `[out, in / 32, 32]` in int8, times its group's step, in fp32."""

    levels: Array
    steps: Array


def four_bit(weight: Tensor) -> FourBit | None:
    """The four-bit form of `weight`, `[out, in]` in bf16 or fp32 on the CPU; `None` where it has none."""
    if weight.shape[1] % (2 * GROUP) or not _may_be_quantised(weight):
        return None
    if _evenly_spaced(weight[:_SAMPLE]) is None:  # spares other models the conversion of all their weights
        return None
    found = _evenly_spaced(weight)
    if found is None:
        return None
    levels, step, low = found
    pairs = levels.to(torch.uint8).view(len(weight), -1, 2, GROUP)
    scales = torch.cat((step, low), dim=-1).transpose(1, 2)
    return FourBit((pairs[:, :, 0] | pairs[:, :, 1] << 4).numpy(), np.ascontiguousarray(scales.numpy()))


def eight_bit(weight: Tensor) -> EightBit | None:
    """The eight-bit form of `weight`, `[out, in]` in bf16 or fp32 on the CPU; `None` where it has none."""
    if weight.shape[1] % (2 * GROUP) or not _may_be_quantised(weight):
        return None
    if _multiples(weight[:_SAMPLE]) is None:
        return None
    parts = [_multiples(rows) for rows in weight.split(_ROWS)]  # in fp32 the whole would be large
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    levels = torch.cat([levels.to(torch.int8) for levels, _ in found])
    return EightBit(levels.numpy(), torch.cat([step for _, step in found]).squeeze(-1).numpy())


def _may_be_quantised(weight: Tensor) -> bool:
    return weight.dtype in (torch.bfloat16, torch.float32) and weight.device.type == "cpu"


def _groups(weight: Tensor) -> Tensor:
    return weight.detach().float().view(len(weight), -1, GROUP)


def _evenly_spaced(weight: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
    """Each weight's level from 0 to 15, and each group's step and lowest value; `None` where these miss a weight."""
    groups = _groups(weight)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    step = ((high - low) / 15).clamp_min(1e-12)
    levels = ((groups - low) / step).round()
    if ((levels * step + low - groups).abs() > _TOLERANCE * groups.abs().amax(-1, keepdim=True)).any():
        return None
    return levels, step, low


def _multiples(weight: Tensor) -> tuple[Tensor, Tensor] | None:
    """Each weight's level from -127 to 127, and each group's step; `None` where these miss a weight."""
    groups = _groups(weight)
    greatest = groups.abs().amax(-1, keepdim=True)
    step = (greatest / 127).clamp_min(1e-12)
    # Rounded to bf16 the greatest alone can put high levels wrong by one, but not those of lesser weights.
    step = _fitted(groups * (groups.abs() < greatest / 2), step)
    levels = (groups / step).round().clamp(-127, 127)
    if ((levels * step - groups).abs() > _TOLERANCE * groups.abs()).any():
        return None
    return levels, _fitted(groups, step)


def _fitted(groups: Tensor, step: Tensor) -> Tensor:
    """The step of which `groups` are closest to the multiples that they are of about `step`."""
    levels = (groups / step).round()
    squares = (levels * levels).sum(-1, keepdim=True)
    return torch.where(squares > 0, (levels * groups).sum(-1, keepdim=True) / squares, step)
