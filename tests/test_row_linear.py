import pytest
import torch
from torch import nn

from kveraser_core.row_linear import RowLinear, use_row_products


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 96), (1, 96), (1, 5, 96)])
def test_rows_are_multiplied_as_before_within_one_bf16_rounding(bias, shape):
    torch.manual_seed(0)
    layer = nn.Linear(96, 40, bias=bias).bfloat16().requires_grad_(False)
    rows = torch.randn(shape).bfloat16()
    exact = nn.functional.linear(rows.double(), layer.weight.double(), layer.bias.double() if bias else None)
    use_row_products(layer)
    assert type(layer) is RowLinear
    torch.testing.assert_close(layer(rows).double(), exact, atol=1e-2, rtol=1e-2)


def test_other_types_and_training_keep_their_path():
    plain = nn.Linear(8, 8)
    use_row_products(plain)
    assert type(plain) is nn.Linear
    layer = nn.Linear(8, 8).bfloat16().requires_grad_(False)
    use_row_products(layer)
    row = torch.randn(1, 8, dtype=torch.bfloat16, requires_grad=True)
    layer(row).sum().backward()
    assert row.grad is not None
