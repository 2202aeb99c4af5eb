import pytest
import torch
from torch import nn

from kveraser_core.engines.cpu.packed_linear import PackedLinear, pack, packs, unpack
from kveraser_core.engines.cpu.panels import PanelLinear, use_panels


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
    assert type(layer[0]) is (PackedLinear if packs(dtype) else nn.Linear)
    tolerance = 1e-2 if dtype == torch.bfloat16 else 1e-6
    torch.testing.assert_close(layer(rows).double(), exact, atol=tolerance, rtol=tolerance)


def test_weights_of_a_dtype_that_this_processor_cannot_pack_stay_plain(monkeypatch):
    monkeypatch.setattr("kveraser_core.engines.cpu.packed_linear.packs", lambda dtype: dtype == torch.float32)
    model = nn.Sequential(nn.Linear(24, 16).bfloat16(), nn.Linear(16, 8)).requires_grad_(False)
    before = model[0].weight.clone()
    pack(model)
    assert [type(layer) for layer in model] == [nn.Linear, PackedLinear]
    assert torch.equal(model[0].weight, before)


def test_integers_and_doubles_are_never_packed():
    assert packs(torch.float32) == torch.backends.mkldnn.is_available()
    assert not packs(torch.float64)
    assert not packs(torch.int8)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_unpacked_weights_are_the_same_and_let_gradients_pass(dtype):
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Linear(24, 16).to(dtype).requires_grad_(False))
    before = layer[0].weight.clone()
    pack(layer)
    unpack(layer)
    assert type(layer[0]) is nn.Linear
    assert torch.equal(layer[0].weight, before)
    row = torch.randn(1, 24, dtype=dtype, requires_grad=True)
    layer(row).sum().backward()
    assert row.grad is not None


@pytest.mark.parametrize("outputs", [16, 48, 80, 144])
def test_weights_in_panels_are_the_same_when_brought_back(outputs):
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Linear(24, outputs).bfloat16().requires_grad_(False))
    before = layer[0].weight.clone()
    use_panels(layer[0])
    assert type(layer[0]) is PanelLinear
    assert not torch.equal(layer[0].weight, before)
    unpack(layer)
    assert type(layer[0]) is nn.Linear
    assert torch.equal(layer[0].weight, before)


@pytest.mark.skipif(not torch.cpu._is_avx512_bf16_supported(), reason="this processor multiplies no bf16")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("outputs", [16, 48, 80])
@pytest.mark.parametrize("shape", [(1, 1, 96), (1, 5, 96), (2, 70, 96)])
def test_layers_in_panels_give_what_plain_ones_give(bias, outputs, shape):
    torch.manual_seed(0)
    layer = nn.Linear(96, outputs, bias=bias).bfloat16().requires_grad_(False)
    rows = torch.randn(shape).bfloat16()
    exact = nn.functional.linear(rows.double(), layer.weight.double(), layer.bias.double() if bias else None)
    use_panels(layer)
    torch.testing.assert_close(layer(rows).double(), exact, atol=1e-2, rtol=1e-2)
