import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, dequantize
from gguf.quants import quantize

from kveraser_core.engines.cpu.quantised import eight_bit, four_bit, quantised


def levelled(out=64, into=128):
    """A weight as a four-bit file holds it: in each group of 32, sixteen evenly spaced values, both ends taken."""
    torch.manual_seed(0)
    levels = torch.randint(0, 16, (out, into // 32, 32))
    levels[:, :, 0], levels[:, :, 1] = 0, 15
    step, low = torch.rand(out, into // 32, 1) * 0.02 + 0.001, -torch.rand(out, into // 32, 1) * 0.1
    return (levels * step + low).view(out, into).bfloat16()


def multiples(out=64, into=128):
    """A weight as an eight-bit file holds it: in each group of 32, multiples of a step up to 127 of them."""
    torch.manual_seed(0)
    levels = torch.randint(-126, 127, (out, into // 32, 32))
    levels[:, :, 3] = 127
    return (levels * (torch.rand(out, into // 32, 1) * 0.002 + 0.0001)).view(out, into).bfloat16()


def test_eight_bit_weights_are_found_as_closely_as_bf16_has_them():
    weight = multiples()
    found = eight_bit(weight)
    assert found is not None
    rebuilt = torch.from_numpy((found.levels * found.scales[:, :, None]).reshape(64, 128))
    torch.testing.assert_close(rebuilt, weight.float(), atol=0, rtol=2**-7)


def test_other_weights_are_not_taken_for_eight_bit():
    assert eight_bit(torch.randn(64, 128).bfloat16()) is None
    spoiled = multiples()
    spoiled[30, 70] = spoiled[30, 67] * 1.5 / 127  # between two levels
    assert eight_bit(spoiled) is None
    assert eight_bit(multiples().half()) is None
    assert eight_bit(multiples()[:, :100]) is None


def test_four_bit_weights_are_found_as_closely_as_bf16_has_them():
    weight = levelled()
    found = four_bit(weight)
    assert found is not None
    lower, upper = found.levels & 15, found.levels >> 4
    levels = np.stack((lower, upper), axis=2).reshape(64, 4, 32)
    steps, lowest = found.scales[:, 0, :, None], found.scales[:, 1, :, None]
    rebuilt = torch.from_numpy((levels * steps + lowest).reshape(64, 128))
    torch.testing.assert_close(rebuilt, weight.float(), atol=2**-7 * float(weight.abs().max()), rtol=0)


@pytest.mark.parametrize("form", ["Q4_0", "Q4_1", "Q8_0"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_levels_are_those_of_a_gguf_file(form, dtype):
    torch.manual_seed(1)
    kind = GGMLQuantizationType[form]
    weight = torch.randn(64, 256)
    weight[3, 32:64] = 0
    exact = torch.from_numpy(dequantize(quantize(weight.numpy(), kind), kind).astype(np.float32))
    found = quantised(exact.to(dtype))
    if form == "Q8_0":
        rebuilt = (found.levels * found.scales[:, :, None]).reshape(64, 256)
    else:
        levels = np.stack((found.levels & 15, found.levels >> 4), axis=2).reshape(64, 8, 32)
        rebuilt = (levels * found.scales[:, 0, :, None] + found.scales[:, 1, :, None]).reshape(64, 256)
    share = 1e-6 if dtype == torch.float32 else 0.009 if form == "Q8_0" else 0.004  # a step, where bf16 hid a level
    groups = torch.from_numpy(rebuilt).view(-1, 32) - exact.view(-1, 32)
    assert (groups.abs().amax(-1) <= share * exact.view(-1, 32).abs().amax(-1)).all()


def test_other_weights_are_not_taken_for_four_bit():
    assert four_bit(torch.randn(64, 128).bfloat16()) is None
    spoiled = levelled()
    spoiled[5, 8] *= 1.1
    assert four_bit(spoiled) is None
    assert four_bit(levelled().half()) is None
    assert four_bit(levelled()[:, :96]) is None


def test_the_same_levels_are_found_in_fp32():
    for find, weight in ((eight_bit, multiples()), (four_bit, levelled())):
        narrow, wide = find(weight), find(weight.float())
        assert wide is not None
        assert (narrow.levels == wide.levels).all()
