import torch
from torch.nn.functional import linear

from kveraser_core.four_bit import four_bit


def levelled(out=64, into=96):
    """A weight as a four-bit file holds it: in each group of 32, sixteen evenly spaced values, both ends taken."""
    torch.manual_seed(0)
    levels = torch.randint(0, 16, (out, into // 32, 32))
    levels[:, :, 0], levels[:, :, 1] = 0, 15
    step, low = torch.rand(out, into // 32, 1) * 0.02 + 0.001, -torch.rand(out, into // 32, 1) * 0.1
    return (levels * step + low).view(out, into).bfloat16()


def test_four_bit_weights_are_found_and_multiply_as_they_are():
    weight = levelled()
    rows = four_bit(weight)
    assert rows is not None
    row = torch.randn(1, 96).bfloat16()
    exact = linear(row.double(), weight.double())
    assert (rows(row).double() - exact).norm() < 0.01 * exact.norm()


def test_other_weights_are_not_taken_for_four_bit():
    assert four_bit(torch.randn(64, 96).bfloat16()) is None
    spoiled = levelled()
    spoiled[5, 40] *= 1.1
    assert four_bit(spoiled) is None
    assert four_bit(levelled().float()) is None
    assert four_bit(levelled(out=24)) is None
    assert four_bit(levelled()[:, :40]) is None
