"""Weights that were quantised to four bits, found again and read as such.

A model unpacked from a four-bit file holds, in every group of 32 weights of a row, at most sixteen evenly
spaced values. Decoding is bound by the bytes of the weights, and sixteen levels need a quarter of bf16's.
The levels are the model's own, so nothing is lost but the rounding that bf16 brings as well.
"""

import torch
from torch import Tensor

_GROUP, _LEVELS, _SAMPLE = 32, 15, 16
_TOLERANCE = 2**-7
"""How far a weight may be from its level, as a share of its group's greatest: some roundings to bf16."""


class FourBitRows:
    """The product of one row with the weight that `scales`, `[in / 32, out, 2]`, and packed levels stand for."""

    def __init__(self, packed: Tensor, scales: Tensor) -> None:
        self.packed, self.scales = packed, scales

    @property
    def nbytes(self) -> int:
        return self.packed.nbytes + self.scales.nbytes

    def __call__(self, row: Tensor) -> Tensor:
        """`row` is `[1, in]` in bf16; the result `[1, out]`."""
        return torch.ops.aten._weight_int4pack_mm_for_cpu(row, self.packed, _GROUP, self.scales)


def four_bit(weight: Tensor) -> FourBitRows | None:
    """The four-bit form of `weight`, `[out, in]` in bf16 on the CPU; `None` where it has none."""
    out, into = weight.shape
    if into % _GROUP or out % 64 or weight.dtype != torch.bfloat16 or weight.device.type != "cpu":
        return None
    if _levels(weight[:_SAMPLE]) is None:  # spares other models the conversion of all their weights
        return None
    found = _levels(weight)
    if found is None:
        return None
    levels, step, low = found
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels.view(out, into).int(), 2)
    scales = torch.cat((step, low + 8 * step), dim=-1).transpose(0, 1).bfloat16().contiguous()
    return FourBitRows(packed, scales)


def _levels(weight: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
    """Each weight's level from 0 to 15, and each group's step and lowest value; `None` where these miss a weight."""
    groups = weight.float().view(len(weight), -1, _GROUP)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    step = ((high - low) / _LEVELS).clamp_min(1e-12)
    levels = ((groups - low) / step).round()
    if ((levels * step + low - groups).abs() > _TOLERANCE * groups.abs().amax(-1, keepdim=True)).any():
        return None
    return levels, step, low
