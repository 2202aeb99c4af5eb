"""Copies of linear layers' weights in the order in which the CPU's matrix kernels read them.

oneDNN brings a plain weight into its own order at every call, which for a few rows costs more than the product
does. Packed once, the product reads each weight a single time.
"""

from collections.abc import Callable

import psutil
import torch
from torch import Tensor, nn

Linear = Callable[[Tensor], Tensor]


def packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN packs weights of `dtype` on this CPU: bf16 and fp16 not on every one."""
    if not torch.backends.mkldnn.is_available():
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    if dtype == torch.float16:
        return bool(torch.ops.mkldnn._is_mkldnn_fp16_supported())
    return dtype == torch.float32


def worth_packing(model: nn.Module) -> bool:
    """Whether the CPU has room for a second copy of the weights: a model of billions may have to run as it is."""
    size = sum(weight.nbytes for weight in model.parameters())
    return next(model.parameters()).device.type == "cpu" and size < psutil.virtual_memory().available / 2


def packed(layer: nn.Linear) -> Linear:
    """`layer` with a packed copy of its weight, without gradients; itself where its weight cannot be packed."""
    weight = layer.weight.detach()
    if type(layer) is not nn.Linear or weight.device.type != "cpu" or not packs(weight.dtype):
        return layer
    copy = torch.ops.mkldnn._reorder_linear_weight(weight, 1)
    bias = None if layer.bias is None else layer.bias.detach()
    return lambda rows: torch.ops.mkldnn._linear_pointwise(rows, copy, bias, "none", [], "")
