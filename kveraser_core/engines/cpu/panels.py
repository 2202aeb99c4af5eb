"""Weights in the order in which the kernels of a block of tokens read them: in panels.

A panel is up to 48 outputs: for every pair of inputs their weights side by side, both of the pair together.
"""

import numpy as np
import torch
from torch import Tensor, nn

from kveraser_core.engines.cpu.block_attention import WIDTH
from kveraser_core.engines.cpu.compiled import Array, bits
from kveraser_core.engines.cpu.products import ROWS
from kveraser_core.engines.cpu.vector_code import LANES

NOTHING = np.empty(0, np.uint16)


def fits(weight: Tensor) -> bool:
    """Whether `weight`, `[out, in]`, can be brought into panels."""
    return weight.dtype == torch.bfloat16 and weight.shape[0] % LANES == 0 and weight.shape[1] % 2 == 0


def to_panels(weight: Tensor) -> Array:
    """`weight`, `[out, in]` in bf16, by panels: `[out * in]`, as bits."""
    pairs = bits(weight).reshape(len(weight), -1, 2)
    return np.concatenate([pairs[at : at + WIDTH].swapaxes(0, 1).ravel() for at in range(0, len(pairs), WIDTH)])


def padded(rows: Tensor) -> Tensor:
    """`rows`, `[n, in]`, with zeros after them up to a multiple of the rows that kernels take."""
    return nn.functional.pad(rows, (0, 0, 0, -len(rows) % ROWS))
