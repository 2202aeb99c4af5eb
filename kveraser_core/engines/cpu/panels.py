"""Weights in the order in which the kernels of a block of tokens read them: in panels.

A panel is up to three registers of outputs: for every word of inputs, one or a pair, their weights side by side.
"""

import numpy as np
import torch
from torch import Tensor, nn

from kveraser_core.engines.cpu.block_attention import WIDTH
from kveraser_core.engines.cpu.compiled import Array, bits
from kveraser_core.engines.cpu.features import LEVEL
from kveraser_core.engines.cpu.products import ROWS
from kveraser_core.engines.cpu.scalars import PER_WORD, WORK
from kveraser_core.engines.cpu.vector_code import LANES

NOTHING = np.empty(0, WORK)


def fits(weight: Tensor) -> bool:
    """Whether `weight`, `[out, in]`, can be brought into panels."""
    dtypes = (torch.bfloat16,) if LEVEL.pairs else (torch.bfloat16, torch.float32)
    return weight.dtype in dtypes and weight.shape[0] % LANES == 0 and weight.shape[1] % PER_WORD == 0


def to_panels(weight: Tensor) -> Array:
    """`weight`, `[out, in]`, by panels: `[out * in]` `WORK` numbers."""
    numbers = bits(weight.bfloat16()) if LEVEL.pairs else weight.detach().float().numpy()
    words = numbers.reshape(len(weight), -1, PER_WORD)
    return np.concatenate([words[at : at + WIDTH].swapaxes(0, 1).ravel() for at in range(0, len(words), WIDTH)])


def padded(rows: Tensor) -> Tensor:
    """`rows`, `[n, in]`, with zeros after them up to a multiple of the rows that kernels take."""
    return nn.functional.pad(rows, (0, 0, 0, -len(rows) % ROWS))
