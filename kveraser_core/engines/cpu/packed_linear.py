"""Linear layers whose weights lie in memory as the CPU's matrix kernels read them.

oneDNN brings a plain weight into its own order at every call, which for a few rows costs more than the
product does. Packed once, the product reads each weight a single time.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from kveraser_core.engines.cpu.panels import PanelLinear, use_plain


class PackedLinear(nn.Linear):
    """An `nn.Linear` with a packed weight, for inference only: no gradient passes through it."""

    def forward(self, input: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], "")


def packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN packs weights of `dtype` on this CPU: bf16 and fp16 not on every one."""
    if not torch.backends.mkldnn.is_available():
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    if dtype == torch.float16:
        return bool(torch.ops.mkldnn._is_mkldnn_fp16_supported())
    return dtype == torch.float32


def pack(model: nn.Module) -> None:
    """Pack the weights of every plain linear layer of `model` that is on the CPU and of a dtype that it packs."""
    _convert(model, nn.Linear, PackedLinear, lambda weight: torch.ops.mkldnn._reorder_linear_weight(weight, 1))


def unpack(model: nn.Module) -> None:
    """Bring plain weights back, those of layers in panels too, through which gradients pass."""
    for module in model.modules():
        if type(module) is PanelLinear:
            use_plain(module)
    _convert(model, PackedLinear, nn.Linear, Tensor.to_dense)


def _convert(
    model: nn.Module, source: type[nn.Linear], target: type[nn.Linear], change: Callable[[Tensor], Tensor]
) -> None:
    for module in model.modules():
        if type(module) is source and module.weight.device.type == "cpu" and packs(module.weight.dtype):
            module.weight = nn.Parameter(change(module.weight.detach()), requires_grad=False)
            module.__class__ = target
