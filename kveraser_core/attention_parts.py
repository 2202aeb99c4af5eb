"""Attention to a run of the keys, on the CPU, with the log-sum-exp that lets runs be merged.

Grouped heads are rows of one product, so that their keys are read once. There are two kernels. PyTorch's
flash kernel is the fastest for few scores, in fp32, and where the CPU has matrix tiles (AMX). Without tiles
its bf16 products run at a third of the speed that oneDNN reaches, so there many scores are made by plain
products, in blocks that stay in the CPU's caches. A single query behind many keys, which is bound by
reading them, is made by products everywhere.

Where scores are made by products they are in units of ln 2, because 2^x is a quarter cheaper than e^x.
"""

import math
from functools import cache

import torch
from torch import Tensor

Part = tuple[Tensor, Tensor]
"""Attention to a part of the keys, `[1, heads, n, dim]`, and its log-sum-exp, `[1, heads, n]`."""

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_LARGE = 100_000
"""Queries times keys before them from which on products are faster than the flash kernel."""
_LONG = 3000
"""Keys from which on products are faster for a single query."""
_STEP = 128
"""A single query's products are over a multiple of so many keys: oneDNN makes and keeps a kernel for every length."""
_ROWS, _SCORES = 768, 768 * 2048
_SAMPLED = 64
_ALIGNED = 32
"""Keys that are masked begin at a multiple of this, which the products and exponentials are fast for."""
_LN_2 = math.log(2)


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float, own: int = 0) -> list[Part]:
    """Attention of every query to the keys; of the last `own` keys query i sees the first i + 1.

    `query` is `[1, heads, n, dim]`, `key` and `value` are `[1, kv_heads, length, dim]` with `heads` a
    multiple of `kv_heads`; `own` is 0 or n.
    """
    new, length, past = query.shape[2], key.shape[2], key.shape[2] - own
    if new == 1 and length >= _LONG:
        whole = length - length % _STEP
        parts = [_row_by_products(query, key[:, :, :whole], value[:, :, :whole], scale)]
        if whole < length:
            parts.append(_unmasked(query, key[:, :, whole:], value[:, :, whole:], scale))
        return parts
    if new > 1 and _products_are_faster(query, past):
        seen = torch.arange(past, length) + 1 if own else torch.tensor([length]).expand(new)
        return [_by_products(query, key, value, scale, seen)]
    if new == 1 or not own:
        return [_unmasked(query, key, value, scale)]
    parts = [_flash(query, key[:, :, past:], value[:, :, past:], 0.0, True, scale=scale)]
    if past:
        parts.append(_unmasked(query, key[:, :, :past], value[:, :, :past], scale))
    return parts


def attend_up_to(query: Tensor, key: Tensor, value: Tensor, scale: float, seen: Tensor) -> list[Part]:
    """Attention of query i to the first `seen[i]` keys: more than the query before it, the last one to all."""
    if int(seen[0]) == key.shape[2] - len(seen) + 1:  # one more key a row
        return attend(query, key, value, scale, own=len(seen))
    if _products_are_faster(query, key.shape[2]):
        return [_by_products(query, key, value, scale, seen)]
    bias = _unseen(seen, 0, key.shape[2], query.dtype)
    return [_flash(query, key, value, 0.0, False, attn_mask=bias[None, None], scale=scale)]


def merge(parts: list[Part]) -> Tensor:
    """Attention to the keys of all `parts`, `[1, heads, n, dim]`; in fp32, but for a single part as it is."""
    if len(parts) == 1:
        return parts[0][0]
    out = torch.cat([out.float() for out, _ in parts])
    shares = torch.cat([lse for _, lse in parts]).softmax(0)
    return (out * shares.unsqueeze(-1)).sum(0, keepdim=True)


@cache
def _has_tiles() -> bool:
    return torch.cpu._is_amx_tile_supported()


def _products_are_faster(query: Tensor, past: int) -> bool:
    return query.shape[2] * past >= _LARGE and query.dtype == torch.bfloat16 and not _has_tiles()


def _unseen(seen: Tensor, start: int, end: int, dtype: torch.dtype) -> Tensor:
    """What to add to the scores of the keys `[start, end)`: minus infinity from key `seen[i]` on in row i."""
    bias = torch.zeros(len(seen), end - start, dtype=dtype)
    return bias.masked_fill_(torch.arange(start, end) >= seen[:, None], -torch.inf)


def _unmasked(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Part:
    rows = query.reshape(1, key.shape[1], -1, query.shape[3])
    out, lse = _flash(rows, key, value, 0.0, False, scale=scale)
    return out.reshape(query.shape), lse.reshape(query.shape[:3])


def _row_by_products(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Part:
    """A single query by plain products; all heads at once but for the scores, as in `_by_products`."""
    kv_heads, length = key.shape[1:3]
    rows = query.reshape(kv_heads, -1, query.shape[3])
    ends = torch.cat((key[0, :, :_SAMPLED], key[0, :, -_SAMPLED:]), dim=1)
    top = (rows @ ends.transpose(1, 2)).amax(-1, keepdim=True).mul_(scale / _LN_2)
    scores = top.neg().expand(-1, -1, length).contiguous()
    for head in range(kv_heads):
        scores[head].addmm_(rows[head], key[0, head].T, alpha=scale / _LN_2)
    weights = scores.exp2_()
    total = weights.sum(-1, keepdim=True, dtype=torch.float32)
    out = (weights @ value[0]).float().div_(total)
    lse = (top.float() + total.log2_()).mul_(_LN_2)
    return out.reshape(query.shape), lse.reshape(query.shape[:3])


def _by_products(query: Tensor, key: Tensor, value: Tensor, scale: float, seen: Tensor) -> Part:
    """By plain products, block by block of rows and of keys, head by head; query i sees the first `seen[i]` keys.

    Scores are rounded to bf16, which is exact enough near zero only. So each row's are made relative to
    about its greatest one, guessed from the first and the last keys, where attention is strongest.
    (A product of all heads at once would copy keys that are cut out of a longer buffer.)
    """
    heads, new, dim = query.shape[1:]
    kv_heads = key.shape[1]
    groups = heads // kv_heads
    rows = query.view(kv_heads, groups, new, dim).transpose(1, 2).reshape(kv_heads, new * groups, dim)
    out, lse = torch.empty(rows.shape), torch.empty(rows.shape[:2])
    for first in range(0, new * groups, _ROWS):
        last = min(first + _ROWS, new * groups)
        limits = seen[torch.arange(first, last) // groups]
        past, end = int(limits[0]), int(limits[-1])
        past -= past % _ALIGNED if past < end else 0
        late = _unseen(limits, past, end, rows.dtype)
        for head in range(kv_heads):
            out[head, first:last], lse[head, first:last] = _block(
                rows[head, first:last], key[0, head, :end], value[0, head, :end], scale, past, late
            )
    out = out.view(kv_heads, new, groups, dim).transpose(1, 2).reshape(1, heads, new, dim)
    return out, lse.view(kv_heads, new, groups).transpose(1, 2).reshape(1, heads, new)


def _block(rows: Tensor, key: Tensor, value: Tensor, scale: float, past: int, late: Tensor) -> tuple[Tensor, Tensor]:
    """Attention of `rows`, `[n, dim]`, to `key`, `[length, dim]`.

    `late`, `[n, length - past]`, is added to the last scores: minus infinity where a row does not see a key.
    """
    count, length = len(rows), len(key)
    width = max(_SCORES // count, 1)
    ends = key if length <= 2 * _SAMPLED else torch.cat((key[:_SAMPLED], key[-_SAMPLED:]))
    top = (rows @ ends.T).amax(-1, keepdim=True).mul_(scale / _LN_2)
    buffer = torch.empty(count, min(width, length), dtype=rows.dtype)
    total, summed = torch.zeros(count, 1), torch.zeros(rows.shape)
    for start in [*range(0, past, width), *range(past, length, width)]:
        end = min(start + width, past if start < past else length)
        scores = buffer[:, : end - start].copy_(top.neg().expand(-1, end - start))
        scores.addmm_(rows, key[start:end].T, alpha=scale / _LN_2)
        if start >= past:
            scores += late[:, start - past : end - past]
        weights = scores.exp2_()
        total += weights.sum(-1, keepdim=True)
        summed += weights @ value[start:end]
    return summed.div_(total), (top.float() + total.log2_()).mul_(_LN_2).squeeze(-1)
