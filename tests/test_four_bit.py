import numpy as np
import torch

from kveraser_core.four_bit import four_bit


def levelled(out=64, into=128):
    """A weight as a four-bit file holds it: in each group of 32, sixteen evenly spaced values, both ends taken."""
    torch.manual_seed(0)
    levels = torch.randint(0, 16, (out, into // 32, 32))
    levels[:, :, 0], levels[:, :, 1] = 0, 15
    step, low = torch.rand(out, into // 32, 1) * 0.02 + 0.001, -torch.rand(out, into // 32, 1) * 0.1
    return (levels * step + low).view(out, into).bfloat16()


def test_four_bit_weights_are_found_and_lose_nothing():
    weight = levelled()
    found = four_bit(weight)
    assert found is not None
    lower, upper = found.levels & 15, found.levels >> 4
    levels = np.stack((lower, upper), axis=2).reshape(64, 4, 32)
    steps, lowest = found.scales[:, 0, :, None], found.scales[:, 1, :, None]
    rebuilt = torch.from_numpy((levels * steps + lowest).reshape(64, 128))
    torch.testing.assert_close(rebuilt, weight.float(), atol=2**-7 * float(weight.abs().max()), rtol=0)


def test_other_weights_are_not_taken_for_four_bit():
    assert four_bit(torch.randn(64, 128).bfloat16()) is None
    spoiled = levelled()
    spoiled[5, 40] *= 1.5
    assert four_bit(spoiled) is None
    assert four_bit(levelled().float()) is None
    assert four_bit(levelled()[:, :96]) is None
