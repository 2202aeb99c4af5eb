import math

import pytest
import torch
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from torch.profiler import ProfilerActivity, profile

from kveraser_core.cache.rotation import KeyRotation
from kveraser_core.cache.view import AttentionView, SlotRange
from kveraser_core.engines import attention_parts
from kveraser_core.engines.attention import causal_attention, view_attention


def reference(query, key, value, scale):
    """Softmax attention, written out in float64, one query at a time."""
    groups = query.shape[1] // key.shape[1]
    past = key.shape[2] - query.shape[2]
    out = torch.zeros_like(query, dtype=torch.float64)
    for head in range(query.shape[1]):
        for row in range(query.shape[2]):
            seen = past + row + 1
            scores = key[0, head // groups, :seen].double() @ query[0, head, row].double() * scale
            out[0, head, row] = scores.softmax(0) @ value[0, head // groups, :seen].double()
    return out


@pytest.mark.parametrize(("new", "length"), [(1, 1), (1, 40), (9, 9), (9, 40), (39, 40), (130, 700)])
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 2)])
@pytest.mark.parametrize("way", ["flash", "products", "with gradients"])
def test_it_is_causal_attention(new, length, heads, kv_heads, way, monkeypatch):
    torch.manual_seed(0)
    grad = way == "with gradients"
    if way == "products":
        monkeypatch.setattr(attention_parts, "has_flash_kernel", lambda *states: False)
    query = torch.randn(1, heads, new, 16, requires_grad=grad)
    buffer = torch.randn(2, 1, kv_heads, length + 5, 16)
    key, value = buffer[:, :, :, :length]
    scale = 1 / math.sqrt(16)
    out = causal_attention(query, key, value, scale)
    torch.testing.assert_close(out.double(), reference(query, key, value, scale), atol=2e-6, rtol=1e-5)
    assert out.requires_grad == grad


@pytest.mark.parametrize(("new", "length"), [(1, 500), (30, 500), (300, 1100), (560, 560)])
@pytest.mark.parametrize("loudness", [1, 4])
def test_bf16_stays_within_one_rounding_of_fp32(new, length, loudness):
    torch.manual_seed(0)
    query = torch.randn(1, 6, new, 64) * loudness
    key, value = torch.randn(2, 1, 2, length + 9, 64)[:, :, :, :length]
    rounded = [tensor.bfloat16() for tensor in (query, key, value)]
    bias = causal_lower_right(new, length)
    expanded = [tensor.double().repeat_interleave(3, 1) for tensor in rounded[1:]]
    exact = scaled_dot_product_attention(rounded[0].double(), *expanded, attn_mask=bias, scale=0.125)
    out = causal_attention(*rounded, 0.125)
    torch.testing.assert_close(out.double(), exact, atol=3e-2, rtol=2e-2)
    assert (out.double() - exact).norm() < 0.01 * exact.norm()


@pytest.mark.parametrize("new", [1, 9])
@pytest.mark.parametrize("long", [20, 700])
@pytest.mark.parametrize("way", ["cpu", "any device", "in blocks", "with gradients"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_view_says_which_keys_are_seen_and_from_where(new, long, way, masked, monkeypatch):
    torch.manual_seed(0)
    grad = way == "with gradients"
    if way in ("any device", "in blocks"):
        monkeypatch.setattr(attention_parts, "has_flash_kernel", lambda *states: False)
    if way == "in blocks":
        monkeypatch.setattr(attention_parts, "_MOST_SCORES", 4 * 4 * long)
    past, scale, rotation = 30 + long, 0.25, KeyRotation(torch.tensor([1.0, 0.3, 0.1, 0.02]), [True, True])
    query = torch.randn(1, 4, new, 8, requires_grad=grad)
    key, value = torch.randn(2, 1, 2, past + new, 8)
    view = AttentionView(rotation, (SlotRange(0, 10, 7), SlotRange(15, 20), SlotRange(30, shift=-4)))
    mask = torch.ones(1, 1, new, past + new, dtype=torch.bool).tril(past) if masked else None
    out = view_attention(query, key, value, scale, view, 1, mask)
    seen = [*range(10), *range(15, 20), *range(30, past + new)]
    moved = rotation.shift(key[:, :, :10], 1, 7), key[:, :, 10:30], rotation.shift(key[:, :, 30:], 1, -4)
    turned = torch.cat(moved, dim=2)
    for head in range(4):
        for row in range(new):
            slots = torch.tensor([slot for slot in seen if slot <= past + row])
            scores = turned[0, head // 2, slots] @ query[0, head, row] * scale
            expected = scores.softmax(0) @ value[0, head // 2, slots]
            torch.testing.assert_close(out[0, head, row], expected, atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize("anywhere", [False, True])
def test_attending_by_a_view_allocates_no_copy_of_the_past(anywhere, monkeypatch):
    """For a decoded token neither keys are copied nor heads expanded: bytes by the allocator, at two lengths."""
    if anywhere:
        monkeypatch.setattr(attention_parts, "has_flash_kernel", lambda *states: False)
    rotation = KeyRotation(torch.full((32,), 0.1), [True])
    view = AttentionView(rotation, (SlotRange(0, 100, -20), SlotRange(120)))

    def allocated(length):
        query, (key, value) = torch.randn(1, 8, 1, 64), torch.randn(2, 1, 2, length, 64)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            view_attention(query, key, value, 0.125, view, 0)
        return sum(max(event.cpu_memory_usage, 0) for event in profiler.events() if event.name != "[memory]")

    allocated(500)
    grown = allocated(8_000) - allocated(4_000)
    keys = 4_000 * 2 * 64 * 4
    assert grown < (keys / 4 if anywhere else keys / 100)  # without a fused kernel the scores themselves
