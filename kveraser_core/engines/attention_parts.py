"""Attention to a range of the keys, with the log-sum-exp that lets ranges be merged.

By PyTorch's flash kernel for CPUs, or on any device by two plain products. Query heads that share a key head are rows
of one product, so that keys and values are neither copied nor expanded, but for those that are kept in another dtype.
"""

import torch
from torch import Tensor

Part = tuple[Tensor, Tensor]
"""Attention to a part of the keys, `[1, heads, n, dim]`, and its log-sum-exp, `[1, heads, n]`."""

_MOST_SCORES = 2**26
_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float, own: int = 0) -> list[Part]:
    """Attention of every query to the keys; of the last `own` keys query i sees the first i + 1.

    `query` is `[1, heads, n, dim]`, `key` and `value` are `[1, kv_heads, length, dim]` with `heads` a
    multiple of `kv_heads`; `own` is 0 or n.
    """
    key, value = key.to(query.dtype), value.to(query.dtype)
    new, past = query.shape[2], key.shape[2] - own
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
    key, value = key.to(query.dtype), value.to(query.dtype)
    unseen = torch.arange(key.shape[2]) >= seen[:, None]
    bias = torch.zeros(unseen.shape, dtype=query.dtype).masked_fill_(unseen, -torch.inf)
    return [_flash(query, key, value, 0.0, False, attn_mask=bias[None, None], scale=scale)]


def attend_anywhere(
    query: Tensor, key: Tensor, value: Tensor, scale: float, seen: Tensor | None = None
) -> list[Part]:
    """On any device, attention of query i to the first `seen[i]` keys, to all of them without `seen`.

    A query that sees none of them gets a weight of 0 when parts are merged. Queries are taken in blocks, so that the
    scores stay within some 256 MB.
    """
    key, value = key.to(query.dtype), value.to(query.dtype)
    heads, length = key.shape[1], key.shape[2]
    block = max(_MOST_SCORES // (query.shape[1] * length), 1)
    outs, sums = [], []
    for start in range(0, query.shape[2], block):
        some = query[0, :, start : start + block]
        rows = some.reshape(heads, -1, some.shape[-1])
        scores = torch.bmm(rows, key[0].transpose(1, 2)).float().mul_(scale)
        if seen is not None:
            hidden = torch.arange(length, device=key.device) >= seen[start : start + block, None].to(key.device)
            scores.view(heads, -1, *hidden.shape).masked_fill_(hidden, -torch.inf)
        lse = scores.logsumexp(-1)
        weights = scores.sub_(lse.nan_to_num(neginf=0.0).unsqueeze(-1)).exp_()
        outs.append(torch.bmm(weights.to(value.dtype), value[0]).view(some.shape))
        sums.append(lse.view(some.shape[:2]))
    return [(torch.cat(outs, dim=1)[None], torch.cat(sums, dim=1)[None])]


def merge(parts: list[Part]) -> Tensor:
    """Attention to the keys of all `parts`, `[1, heads, n, dim]`; in fp32, but for a single part as it is."""
    if len(parts) == 1:
        return parts[0][0]
    out = torch.cat([out.float() for out, _ in parts])
    shares = torch.cat([lse for _, lse in parts]).softmax(0)
    return (out * shares.unsqueeze(-1)).sum(0, keepdim=True)


def _unmasked(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Part:
    rows = query.reshape(1, key.shape[1], -1, query.shape[3])
    out, lse = _flash(rows, key, value, 0.0, False, scale=scale)
    return out.reshape(query.shape), lse.reshape(query.shape[:3])
