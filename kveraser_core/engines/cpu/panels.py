"""Linear layers whose weights lie in memory as the kernels of a block of tokens read them: in panels.

A panel is up to 48 outputs: for every pair of inputs their weights side by side, both of the pair together.
"""

import numpy as np
import torch
from torch import Tensor, nn

from kveraser_core.engines.cpu.block_attention import WIDTH
from kveraser_core.engines.cpu.block_kernels import ROWS, add_product
from kveraser_core.engines.cpu.compiled import Array, bits, share_threads
from kveraser_core.engines.cpu.vector_code import LANES

NOTHING = np.empty(0, np.uint16)


class PanelLinear(nn.Linear):
    """An `nn.Linear` with a bf16 weight in panels on the CPU, for inference only: no gradient passes through it."""

    def forward(self, input: Tensor) -> Tensor:
        rows = bits(padded(input.reshape(-1, self.in_features)))
        out = np.zeros((len(rows), self.out_features), np.float32)
        share_threads()
        add_product(rows, 0, panels_of(self), rows[:, :0], NOTHING, out)
        product = torch.from_numpy(out)[: input.numel() // self.in_features]
        if self.bias is not None:
            product += self.bias
        return product.to(input.dtype).view(*input.shape[:-1], self.out_features)


def fits(weight: Tensor) -> bool:
    """Whether `weight`, `[out, in]`, can be brought into panels."""
    return weight.dtype == torch.bfloat16 and weight.shape[0] % LANES == 0 and weight.shape[1] % 2 == 0


def to_panels(weight: Tensor) -> Array:
    """`weight`, `[out, in]` in bf16, by panels: `[out * in]`, as bits."""
    pairs = bits(weight).reshape(len(weight), -1, 2)
    return np.concatenate([pairs[at : at + WIDTH].swapaxes(0, 1).ravel() for at in range(0, len(pairs), WIDTH)])


def use_panels(layer: nn.Linear) -> None:
    """Bring the weight of `layer` into panels, in place of the plain one."""
    panels = torch.from_numpy(to_panels(layer.weight)).view(torch.bfloat16).view(layer.weight.shape)
    layer.weight = nn.Parameter(panels, requires_grad=False)
    layer.__class__ = PanelLinear


def use_plain(layer: PanelLinear) -> None:
    """Bring the plain weight back, through which gradients pass."""
    panels, inputs = layer.weight.detach().view(-1), layer.in_features
    parts = [part.view(inputs // 2, -1, 2).transpose(0, 1) for part in panels.split(WIDTH * inputs)]
    plain = torch.cat([part.reshape(-1, inputs) for part in parts])
    layer.weight = nn.Parameter(plain, requires_grad=False)
    layer.__class__ = nn.Linear  # type: ignore[assignment]


def panels_of(layer: PanelLinear) -> Array:
    """The weight's own memory, by panels: `[out * in]`, as bits."""
    return bits(layer.weight).ravel()


def padded(rows: Tensor) -> Tensor:
    """`rows`, `[n, in]`, with zeros behind them up to a multiple of the rows that kernels take."""
    return nn.functional.pad(rows, (0, 0, 0, -len(rows) % ROWS))
