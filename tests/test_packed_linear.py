import pytest
import torch
from torch import nn

from kveraser_core.packed_linear import PackedLinear, pack, unpack


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 96), (1, 96), (1, 5, 96), (2, 70, 96)])
def test_packed_layers_give_what_plain_ones_give(dtype, bias, shape):
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Linear(96, 40, bias=bias).to(dtype).requires_grad_(False))
    rows = torch.randn(shape).to(dtype)
    exact = layer.double()(rows.double())
    layer.to(dtype)
    pack(layer)
    assert type(layer[0]) is PackedLinear
    tolerance = 1e-2 if dtype == torch.bfloat16 else 1e-6
    torch.testing.assert_close(layer(rows).double(), exact, atol=tolerance, rtol=tolerance)


def test_unpacked_weights_are_the_same_and_let_gradients_pass():
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Linear(24, 16).bfloat16().requires_grad_(False))
    before = layer[0].weight.clone()
    pack(layer)
    unpack(layer)
    assert type(layer[0]) is nn.Linear
    assert torch.equal(layer[0].weight, before)
    row = torch.randn(1, 24, dtype=torch.bfloat16, requires_grad=True)
    layer(row).sum().backward()
    assert row.grad is not None
