"""Attention to a range of the keys, with the log-sum-exp that lets ranges be merged.

By PyTorch's flash kernels for CPUs and for CUDA, or on any device by two plain products. Query heads that share a key
head are rows of one product, or are known to the kernel as such, so that keys and values are neither copied nor
expanded, but for those that are kept in another dtype.
"""

import torch
from torch import Tensor
from torch.backends.cuda import SDPAParams, can_use_flash_attention

Part = tuple[Tensor, Tensor]
"""Attention to a part of the keys, `[1, heads, n, dim]`, and its log-sum-exp, `[1, heads, n]`."""

_MOST_SCORES = 2**26
_flash_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_cuda = torch.ops.aten._scaled_dot_product_flash_attention


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float, own: int = 0) -> list[Part]:
    """Attention of every query to the keys; of the last `own` keys query i sees the first i + 1.

    `query` is `[1, heads, n, dim]`, `key` and `value` are `[1, kv_heads, length, dim]` with `heads` a
    multiple of `kv_heads`; `own` is 0 or n.
    """
    key, value = key.to(query.dtype), value.to(query.dtype)
    new, past = query.shape[2], key.shape[2] - own
    if not has_flash_kernel(query, key, value):
        seen = torch.arange(past + 1, past + own + 1) if own else None
        return [_by_products(query, key, value, scale, seen)]
    if query.device.type == "cuda":  # which counts causality from the last key
        out, lse, *_ = _flash_cuda(query, key, value, 0.0, own > 1, False, scale=scale)
        return [(out, lse)]
    if new == 1 or not own:
        return [_unmasked(query, key, value, scale)]
    parts = [_flash_cpu(query, key[:, :, past:], value[:, :, past:], 0.0, True, scale=scale)]
    if past:
        parts.append(_unmasked(query, key[:, :, :past], value[:, :, :past], scale))
    return parts


def attend_up_to(query: Tensor, key: Tensor, value: Tensor, scale: float, seen: Tensor) -> list[Part]:
    """Attention of query i to the first `seen[i]` keys: more than the query before it, the last one to all.

    `seen` is on the CPU. A query that sees no key gets a weight of 0 when parts are merged.
    """
    if int(seen[0]) == key.shape[2] - len(seen) + 1:  # one more key a row
        return attend(query, key, value, scale, own=len(seen))
    key, value = key.to(query.dtype), value.to(query.dtype)
    if query.device.type != "cpu" or not has_flash_kernel(query, key, value):
        return [_by_products(query, key, value, scale, seen)]
    unseen = torch.arange(key.shape[2]) >= seen[:, None]
    bias = torch.zeros(unseen.shape, dtype=query.dtype).masked_fill_(unseen, -torch.inf)
    return [_flash_cpu(query, key, value, 0.0, False, attn_mask=bias[None, None], scale=scale)]


def has_flash_kernel(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether PyTorch has a kernel for these, which computes no score twice and keeps none."""
    if query.device.type == "cuda":
        grouped = SDPAParams(query, key, value, None, 0.0, False, True)
        return query.shape[-1] % 8 == 0 and can_use_flash_attention(grouped)
    return query.device.type == "cpu"


def merge(parts: list[Part]) -> Tensor:
    """Attention to the keys of all `parts`, `[1, heads, n, dim]`; in fp32, but for a single part as it is."""
    if len(parts) == 1:
        return parts[0][0]
    out = torch.cat([out.float() for out, _ in parts])
    shares = torch.cat([lse for _, lse in parts]).softmax(0)
    return (out * shares.unsqueeze(-1)).sum(0, keepdim=True)


def _unmasked(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Part:
    rows = query.reshape(1, key.shape[1], -1, query.shape[3])
    out, lse = _flash_cpu(rows, key, value, 0.0, False, scale=scale)
    return out.reshape(query.shape), lse.reshape(query.shape[:3])


def _by_products(query: Tensor, key: Tensor, value: Tensor, scale: float, seen: Tensor | None) -> Part:
    """On any device, attention of query i to the first `seen[i]` keys, to all of them without `seen`.

    Queries are taken in blocks, so that the scores stay within some 256 MB.
    """
    heads, length = key.shape[1], key.shape[2]
    block = max(_MOST_SCORES // (query.shape[1] * length), 1)
    outs, sums = [], []
    for start in range(0, query.shape[2], block):
        some = query[0, :, start : start + block]
        rows = some.reshape(heads, -1, some.shape[-1])
        scores = torch.bmm(rows, key[0].transpose(1, 2)).float().mul_(scale)
        if seen is not None:
            own = seen[start : start + block]
            all_see = max(int(own[0]), 0)
            hidden = torch.arange(all_see, length) >= own[:, None]
            scores.view(heads, -1, len(own), length)[..., all_see:].masked_fill_(hidden.to(key.device), -torch.inf)
        lse = scores.logsumexp(-1)
        weights = scores.sub_(lse.nan_to_num(neginf=0.0).unsqueeze(-1)).exp_()
        outs.append(torch.bmm(weights.to(value.dtype), value[0]).view(some.shape))
        sums.append(lse.view(some.shape[:2]))
    return torch.cat(outs, dim=1)[None], torch.cat(sums, dim=1)[None]
