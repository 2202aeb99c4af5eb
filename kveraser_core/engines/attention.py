"""Causal attention for queries that come after a long past, without a rectangular mask.

A question, a span or a chunk of prefill is a short block of queries after many cached keys. Given a mask for that
rectangle, PyTorch leaves its fast kernels and expands grouped keys and values. Here the ranges of the past are
attended to without any mask, the block to itself causally, and the parts are merged by their log-sum-exp, which is
the same sum in another order.

Registered with transformers under `NAME`; it knows nothing about caches or models.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import causal_mask_function, sdpa_mask

from kveraser_core.cache.view import AttentionView, SlotRange, ViewedKeys
from kveraser_core.engines.attention_parts import Part, attend, attend_up_to, merge

NAME = "kveraser"


def causal_attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Attention of the last `n` tokens of a sequence to all of it.

    `query` is `[batch, heads, n, dim]`, `key` and `value` `[batch, kv_heads, length, dim]` with
    `length >= n` and `heads` a multiple of `kv_heads`; the result has the shape of `query`. Query i sees
    the first `length - n + i + 1` keys.
    """
    new, length = query.shape[2], key.shape[2]
    if query.shape[0] == 1 and not _has_gradients(query):
        return merge(attend(query, key, value, scale, own=new)).to(query.dtype)
    if new == 1 or new == length:
        return scaled_dot_product_attention(
            query, key, value, is_causal=new > 1, scale=scale, enable_gqa=query.shape[1] != key.shape[1]
        )
    bias: Any = causal_lower_right(new, length)
    grouped = query.shape[1] != key.shape[1]
    return scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=scale, enable_gqa=grouped)


def cached_attention(
    query: Tensor, key: Tensor | ViewedKeys, value: Tensor, scale: float, layer: int, mask: Tensor | None = None
) -> Tensor:
    """Attention to cached keys, by their view where they have one; shapes as in `causal_attention`.

    `mask`, `[1, 1, n, length]`, true where seen, replaces causality.
    """
    if isinstance(key, ViewedKeys):
        return view_attention(query, key.keys, value, scale, key.view, layer, mask)
    if mask is None:
        return causal_attention(query, key, value, scale)
    return scaled_dot_product_attention(query, *_expanded(query, key, value), attn_mask=mask, scale=scale)


def view_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    view: AttentionView,
    layer: int,
    mask: Tensor | None = None,
) -> Tensor:
    """`causal_attention` where the past is attended to by `view`; shapes as there, batch size 1.

    `mask`, `[1, 1, n, length]`, true where seen, replaces causality.
    """
    if mask is not None or _has_gradients(query):
        return _masked_view_attention(query, key, value, scale, view, layer, mask)
    rotated = {by: view.rotation.shift(query, layer, -by) for by in {part.shift for part in view.ranges}}
    own = torch.arange(key.shape[2] - query.shape[2], key.shape[2]) if view.queries is None else view.queries
    parts = list[Part]()
    for part in view.ranges:
        queries = rotated[part.shift]
        keys, values = key[:, :, part.start : part.end], value[:, :, part.start : part.end]
        if part.end is None:
            seen = own - part.start + 1
            parts += attend_up_to(queries, keys[:, :, : int(seen[-1])], values[:, :, : int(seen[-1])], scale, seen)
        elif part.start < part.end:
            parts += attend(queries, keys, values, scale)
    return merge(parts).to(query.dtype)


def _masked_view_attention(
    query: Tensor, key: Tensor, value: Tensor, scale: float, view: AttentionView, layer: int, mask: Tensor | None
) -> Tensor:
    """The same by one masked attention over copies of rotated keys, which gradients pass through."""
    new, length = query.shape[2], key.shape[2]
    slots = torch.arange(length, device=query.device)
    own = slots[length - new :] if view.queries is None else view.queries.to(query.device)
    causal = slots <= own[:, None]
    ranges = [SlotRange(p.start, length if p.end is None else p.end, p.shift) for p in view.ranges]
    keys = [view.rotation.shift(key[:, :, p.start : p.end], layer, p.shift) for p in ranges]
    values = [value[:, :, p.start : p.end] for p in ranges]
    before = causal.new_ones(causal.shape)
    masks = [mask if mask is not None else causal if p is ranges[-1] else before for p in ranges]
    seen = torch.cat([mask[..., p.start : p.end] for mask, p in zip(masks, ranges, strict=True)], dim=-1)
    expanded = _expanded(query, torch.cat(keys, dim=2), torch.cat(values, dim=2))
    return scaled_dot_product_attention(query, *expanded, attn_mask=seen, scale=scale)


def _has_gradients(query: Tensor) -> bool:
    return torch.is_grad_enabled() and query.requires_grad


def _expanded(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    key, value = key.to(query.dtype), value.to(query.dtype)
    groups = query.shape[1] // key.shape[1]
    return key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)


def _attention_forward(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor | ViewedKeys,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    out = cached_attention(query, key, value, scale, int(module.layer_idx), attention_mask)  # type: ignore[arg-type]
    return out.transpose(1, 2).contiguous(), None


def _mask(attention_mask: Tensor | None = None, mask_function: Any = causal_mask_function, **kwargs: Any) -> Any:
    """No mask where plain causal attention over everything cached is meant; sdpa's mask for the rest."""
    padded = attention_mask is not None and not bool(attention_mask.all())
    if mask_function is causal_mask_function and not padded:
        return None
    return sdpa_mask(attention_mask=attention_mask, mask_function=mask_function, **kwargs)


AttentionInterface.register(NAME, _attention_forward)
AttentionMaskInterface.register(NAME, _mask)
