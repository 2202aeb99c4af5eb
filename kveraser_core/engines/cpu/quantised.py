"""Weights that were quantised to four or eight bits, found again and kept as such.

A model unpacked from a quantised file holds few values in every group of 32 weights of a row: sixteen evenly spaced
ones at four bits, of which the lowest and the highest are taken (Q4_1) or the one that is eight steps from 0 (Q4_0);
whole multiples of a step at eight (Q8_0). Decoding is bound by the bytes of the weights, and these need a quarter or
half of bf16's. The levels are the model's own, but for those that bf16 had rounded too far to tell from the next.
"""

from collections.abc import Callable
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
    """A weight, `[out, in]`: each is its level times its group's step, plus what the group's level 0 is.

    `levels`, `[out, in / 64, 32]`, holds two groups' levels in each row of 32 bytes, the first group's in the
    lower halves; `scales`, `[out, 2, in / 32]` in fp32, the groups' steps and what their level 0 is.
    """

    levels: Array
    scales: Array


@dataclass(frozen=True)
class EightBit:
    """A weight, `[out, in]`: each is its level, `[out, in / 32, 32]` in int8, times its group's step.

    `scales`, `[out, in / 32]` in fp32, are the steps."""

    levels: Array
    scales: Array


Quantised = FourBit | EightBit


def quantised(weight: Tensor) -> Quantised | None:
    """The four-bit form of `weight`, `[out, in]`, or else its eight-bit form; `None` where it has neither."""
    return four_bit(weight) or eight_bit(weight)


def four_bit(weight: Tensor) -> FourBit | None:
    """The four-bit form of `weight`, `[out, in]` in bf16 or fp32 on the CPU; `None` where it has none."""
    if weight.shape[1] % (2 * GROUP) or not _may_be_quantised(weight):
        return None
    found = _by_rows(_evenly_spaced, weight)
    if found is None:
        return None
    levels, step, base = found
    pairs = levels.view(len(weight), -1, 2, GROUP)
    scales = torch.cat((step, base), dim=-1).transpose(1, 2)
    return FourBit((pairs[:, :, 0] | pairs[:, :, 1] << 4).numpy(), np.ascontiguousarray(scales.numpy()))


def eight_bit(weight: Tensor) -> EightBit | None:
    """The eight-bit form of `weight`, `[out, in]` in bf16 or fp32 on the CPU; `None` where it has none."""
    if weight.shape[1] % (2 * GROUP) or not _may_be_quantised(weight):
        return None
    found = _by_rows(_multiples, weight)
    if found is None:
        return None
    levels, step = found
    return EightBit(levels.numpy(), step.squeeze(-1).numpy())


def _by_rows(find: Callable[[Tensor], tuple[Tensor, ...] | None], weight: Tensor) -> tuple[Tensor, ...] | None:
    """What `find` finds in all rows of `weight`; the first few spare other models the conversion of the rest."""
    parts = []
    for rows in (weight[:_SAMPLE], *weight.split(_ROWS)):  # in fp32 the whole would be large
        found = find(rows)
        if found is None:
            return None
        parts.append(found)
    return tuple(map(torch.cat, zip(*parts[1:], strict=True)))


def _may_be_quantised(weight: Tensor) -> bool:
    return weight.dtype in (torch.bfloat16, torch.float32) and weight.device.type == "cpu"


def _groups(weight: Tensor) -> Tensor:
    return weight.detach().float().view(len(weight), -1, GROUP)


def _evenly_spaced(weight: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
    """Each weight's level from 0 to 15, each group's step and what level 0 is; `None` where these miss a weight."""
    groups = _groups(weight)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    farthest = torch.where(high > -low, high, low)
    tolerance = _TOLERANCE * farthest.abs()
    levels, step, misses = _levels(groups, low, (high - low) / 15, tolerance)
    others, other_step, miss = _levels(groups, farthest, farthest / -8, tolerance)
    if (misses & miss).any():
        return None
    return (
        torch.where(misses, others, levels),
        torch.where(misses, other_step, step),
        torch.where(misses, farthest, low),
    )


def _levels(groups: Tensor, base: Tensor, step: Tensor, tolerance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The levels nearest to `groups`, the step, and which groups they miss."""
    step = torch.where(step == 0, 1e-12, step)
    levels = ((groups - base) / step).round().clamp(0, 15)
    misses = ((levels * step + base - groups).abs() > tolerance).any(-1, keepdim=True)
    return levels.to(torch.uint8), step, misses


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
    return levels.to(torch.int8), _fitted(groups, step)


def _fitted(groups: Tensor, step: Tensor) -> Tensor:
    """The step of which `groups` are closest to the multiples that they are of about `step`."""
    levels = (groups / step).round()
    squares = (levels * levels).sum(-1, keepdim=True)
    return torch.where(squares > 0, (levels * groups).sum(-1, keepdim=True) / squares, step)
