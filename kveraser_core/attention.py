"""Causal attention for queries that come behind a long past, without a rectangular mask.

A question, a span or a chunk of prefill is a short block of queries behind many cached keys. Given a
mask for that rectangle, PyTorch leaves its fast kernels and expands grouped keys and values. Here the
pieces of the past are attended to without any mask, the block to itself causally, and the parts are
merged by their log-sum-exp, which is the same sum in another order.

Registered with transformers under `NAME`; it knows nothing about caches or models.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import causal_mask_function, sdpa_mask

from kveraser_core.layout import Layout, Piece, layout_of

NAME = "kveraser"

_SPLIT_FROM, _PARTS = 6000, 8
_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

_Part = tuple[Tensor, Tensor]
"""Attention to some of the keys, `[batch, heads, n, dim]`, and its log-sum-exp, `[batch, heads, n]`."""


def causal_attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Attention of the last `n` tokens of a sequence to all of it.

    `query` is `[batch, heads, n, dim]`, `key` and `value` `[batch, kv_heads, length, dim]` with
    `length >= n` and `heads` a multiple of `kv_heads`; the result has the shape of `query`. Query i sees
    the first `length - n + i + 1` keys.
    """
    new, length = query.shape[2], key.shape[2]
    fast = _has_fast_parts(query)
    if fast and new == 1 and length >= _SPLIT_FROM and query.shape[0] == 1:
        return _split_decoding(query, key, value, scale)[0].to(query.dtype)
    if new == 1 or new == length:
        return scaled_dot_product_attention(
            query, key, value, is_causal=new > 1, scale=scale, enable_gqa=query.shape[1] != key.shape[1]
        )
    if fast:
        past = length - new
        seen = _flash(query, key[:, :, :past], value[:, :, :past], 0.0, False, scale=scale)
        own = _flash(query, key[:, :, past:], value[:, :, past:], 0.0, True, scale=scale)
        return _merge([seen, own]).to(query.dtype)
    bias: Any = causal_lower_right(new, length)
    return scaled_dot_product_attention(query, *_expanded(query, key, value), attn_mask=bias, scale=scale)


def layout_attention(
    query: Tensor, key: Tensor, value: Tensor, scale: float, layout: Layout, layer: int, mask: Tensor | None = None
) -> Tensor:
    """`causal_attention` where the past is read as `layout` says; shapes as there, batch size 1.

    `mask`, `[1, 1, n, length]`, true where seen, replaces causality.
    """
    new, past = query.shape[2], key.shape[2] - query.shape[2]
    if mask is not None or not _has_fast_parts(query):
        return _masked_layout_attention(query, key, value, scale, layout, layer, mask)
    parts = []
    for piece in layout.pieces:
        end = (key.shape[2] if new == 1 else past) if piece.end is None else piece.end
        if piece.start < end:
            turned = layout.rotation.shift(query, layer, -piece.shift)
            keys, values = key[:, :, piece.start : end], value[:, :, piece.start : end]
            split = new == 1 and end - piece.start >= _SPLIT_FROM
            out, lse = (
                _split_decoding(turned, keys, values, scale)
                if split
                else _flash(turned, keys, values, 0.0, False, scale=scale)
            )
            parts.append((out, lse if piece.bias is None else lse + piece.bias[layer][None, :, None]))
    if new > 1:
        parts.append(_flash(query, key[:, :, past:], value[:, :, past:], 0.0, True, scale=scale))
    return _merge(parts).to(query.dtype)


def _masked_layout_attention(
    query: Tensor, key: Tensor, value: Tensor, scale: float, layout: Layout, layer: int, mask: Tensor | None
) -> Tensor:
    """The same by one masked attention over turned keys: for gradients and for devices without parts."""
    new, length = query.shape[2], key.shape[2]
    if mask is None:
        mask = torch.ones(new, length, dtype=torch.bool, device=query.device).tril(length - new)[None, None]
    scores = torch.zeros(1, query.shape[1], new, length, dtype=query.dtype, device=query.device)
    scores = scores.masked_fill(~mask, -torch.inf)
    pieces = [Piece(p.start, length if p.end is None else p.end, p.shift, p.bias) for p in layout.pieces]
    keys = [layout.rotation.shift(key[:, :, p.start : p.end], layer, p.shift) for p in pieces]
    biased = [
        scores[..., p.start : p.end] + (0 if p.bias is None else p.bias[layer][None, :, None, None].to(query.dtype))
        for p in pieces
    ]
    values = [value[:, :, p.start : p.end] for p in pieces]
    expanded = _expanded(query, torch.cat(keys, dim=2), torch.cat(values, dim=2))
    return scaled_dot_product_attention(query, *expanded, attn_mask=torch.cat(biased, dim=-1), scale=scale)


def _has_fast_parts(query: Tensor) -> bool:
    return query.device.type == "cpu" and not (torch.is_grad_enabled() and query.requires_grad)


def _expanded(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    groups = query.shape[1] // key.shape[1]
    return key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)


def _merge(parts: list[_Part]) -> Tensor:
    """Attention to all keys of `parts`, in fp32."""
    if len(parts) == 1:
        return parts[0][0].float()
    if len(parts) == 2:
        (first, first_lse), (second, second_lse) = parts
        return second.float().lerp(first.float(), torch.sigmoid(first_lse - second_lse).unsqueeze(-1))
    shares = torch.stack([lse for _, lse in parts]).softmax(0).unsqueeze(-1)
    return (torch.stack([out for out, _ in parts]) * shares).sum(0)


def _split_decoding(query: Tensor, key: Tensor, value: Tensor, scale: float) -> _Part:
    """One query over a long past, which is cut into parts so that every core has as much to read.

    (Flash-Decoding, Dao et al. 2023.) Needs batch size 1.
    """
    rest = key.shape[2] % _PARTS
    parts = [states[0, :, rest:].unflatten(1, (_PARTS, -1)).transpose(0, 1) for states in (key, value)]
    out, lse = _flash(query.expand(_PARTS, -1, -1, -1), *parts, 0.0, False, scale=scale)
    if rest:
        first, first_lse = _flash(query, key[:, :, :rest], value[:, :, :rest], 0.0, False, scale=scale)
        out, lse = torch.cat((out, first)), torch.cat((lse, first_lse))
    return (out * lse.softmax(0).unsqueeze(-1)).sum(0, keepdim=True), lse.logsumexp(0, keepdim=True)


def _attention_forward(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    layout = layout_of(key)
    if layout is not None:
        out = layout_attention(query, key, value, scale, layout, int(module.layer_idx), attention_mask)  # type: ignore[arg-type]
    elif attention_mask is None:
        out = causal_attention(query, key, value, scale)
    else:
        expanded = _expanded(query, key, value)
        out = scaled_dot_product_attention(query, *expanded, attn_mask=attention_mask, scale=scale)
    return out.transpose(1, 2).contiguous(), None


def _mask(attention_mask: Tensor | None = None, mask_function: Any = causal_mask_function, **kwargs: Any) -> Any:
    """No mask where plain causal attention over everything cached is meant; sdpa's mask for the rest."""
    padded = attention_mask is not None and not bool(attention_mask.all())
    if mask_function is causal_mask_function and not padded:
        return None
    return sdpa_mask(attention_mask=attention_mask, mask_function=mask_function, **kwargs)


AttentionInterface.register(NAME, _attention_forward)
AttentionMaskInterface.register(NAME, _mask)
