"""Causal attention for queries that come behind a long past, without a rectangular mask.

A question, a span or a chunk of prefill is a short block of queries behind many cached keys. Given a
mask for that rectangle, PyTorch leaves its fast kernels and expands grouped keys and values. Here the
past is attended to without any mask, the block to itself causally, and the two are merged by their
log-sum-exp, which is the same sum in another order.

Registered with transformers under `NAME`; it knows nothing about caches or models.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import causal_mask_function, sdpa_mask

NAME = "kveraser"

_SPLIT_FROM, _PARTS = 6000, 8
_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


def causal_attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Attention of the last `n` tokens of a sequence to all of it.

    `query` is `[batch, heads, n, dim]`, `key` and `value` `[batch, kv_heads, length, dim]` with
    `length >= n` and `heads` a multiple of `kv_heads`; the result has the shape of `query`. Query i sees
    the first `length - n + i + 1` keys.
    """
    new, length = query.shape[2], key.shape[2]
    fast = query.device.type == "cpu" and not (torch.is_grad_enabled() and query.requires_grad)
    if fast and new == 1 and length >= _SPLIT_FROM and query.shape[0] == 1:
        return _split_decoding(query, key, value, scale)
    if new == 1 or new == length:
        return scaled_dot_product_attention(
            query, key, value, is_causal=new > 1, scale=scale, enable_gqa=query.shape[1] != key.shape[1]
        )
    if not fast:
        groups = query.shape[1] // key.shape[1]
        bias: Any = causal_lower_right(new, length)
        return scaled_dot_product_attention(
            query,
            key.repeat_interleave(groups, 1),
            value.repeat_interleave(groups, 1),
            attn_mask=bias,
            scale=scale,
        )
    past = length - new
    seen, seen_lse = _flash(query, key[:, :, :past], value[:, :, :past], 0.0, False, scale=scale)
    own, own_lse = _flash(query, key[:, :, past:], value[:, :, past:], 0.0, True, scale=scale)
    share = torch.sigmoid(seen_lse - own_lse).unsqueeze(-1)
    return own.float().lerp(seen.float(), share).to(query.dtype)


def _split_decoding(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """One query over a long past, which is cut into parts so that every core has as much to read.

    (Flash-Decoding, Dao et al. 2023.) Needs batch size 1.
    """
    rest = key.shape[2] % _PARTS
    parts = [states[0, :, rest:].unflatten(1, (_PARTS, -1)).transpose(0, 1) for states in (key, value)]
    out, lse = _flash(query.expand(_PARTS, -1, -1, -1), *parts, 0.0, False, scale=scale)
    if rest:
        first, first_lse = _flash(query, key[:, :, :rest], value[:, :, :rest], 0.0, False, scale=scale)
        out, lse = torch.cat((out, first)), torch.cat((lse, first_lse))
    return (out * lse.softmax(0).unsqueeze(-1)).sum(0, keepdim=True).to(query.dtype)


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
    if attention_mask is None:
        out = causal_attention(query, key, value, scale)
    else:
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        out = scaled_dot_product_attention(query, key, value, attn_mask=attention_mask, scale=scale)
    return out.transpose(1, 2).contiguous(), None


def _mask(attention_mask: Tensor | None = None, mask_function: Any = causal_mask_function, **kwargs: Any) -> Any:
    """No mask where plain causal attention over everything cached is meant; sdpa's mask for the rest."""
    padded = attention_mask is not None and not bool(attention_mask.all())
    if mask_function is causal_mask_function and not padded:
        return None
    return sdpa_mask(attention_mask=attention_mask, mask_function=mask_function, **kwargs)


AttentionInterface.register(NAME, _attention_forward)
AttentionMaskInterface.register(NAME, _mask)
