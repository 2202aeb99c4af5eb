"""Packed copies of linear layers against products in double precision."""

import pytest
import torch
from torch import nn

from kveraser_core.engines import packed as module
from kveraser_core.engines.packed import packed, packs, worth_packing
from kveraser_core.engines.torch import TorchEngine
from tests.tiny import tiny_model


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 96), (1, 96), (1, 5, 96), (2, 70, 96)])
def test_a_packed_copy_gives_what_the_layer_gives(dtype, bias, shape):
    torch.manual_seed(0)
    layer = nn.Linear(96, 40, bias=bias).to(dtype)
    rows = torch.randn(shape).to(dtype)
    exact = nn.functional.linear(rows.double(), layer.weight.double(), layer.bias.double() if bias else None)
    copy = packed(layer)
    assert (copy is layer) != packs(dtype)
    tolerance = 1e-2 if dtype == torch.bfloat16 else 1e-6
    torch.testing.assert_close(copy(rows).double(), exact, atol=tolerance, rtol=tolerance)


def test_the_layer_stays_as_it_was_and_lets_gradients_pass():
    layer = nn.Linear(24, 16)
    before = layer.weight.clone()
    packed(layer)
    assert torch.equal(layer.weight, before)
    row = torch.randn(1, 24, requires_grad=True)
    layer(row).sum().backward()
    assert row.grad is not None


def test_what_cannot_be_packed_is_run_as_it_is(monkeypatch):
    class Scaled(nn.Linear):
        """A layer that does something else as well."""

    assert packed(double := nn.Linear(24, 16).double()) is double
    assert packed(own := Scaled(24, 16)) is own
    monkeypatch.setattr(module, "packs", lambda dtype: dtype == torch.float32)
    assert packed(half := nn.Linear(24, 16).bfloat16()) is half


def test_integers_and_doubles_are_never_packed():
    assert packs(torch.float32) == torch.backends.mkldnn.is_available()
    assert not packs(torch.float64)
    assert not packs(torch.int8)


def test_a_model_that_fills_the_memory_is_run_without_a_copy(monkeypatch):
    model = tiny_model("llama")
    assert worth_packing(model)
    size = sum(weight.nbytes for weight in model.parameters())
    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 2 * size})())
    assert not worth_packing(model)
    assert TorchEngine(model)._head is model.get_output_embeddings()
