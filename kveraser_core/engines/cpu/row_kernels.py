"""One token through all layers of a decoder as plain loops, which numba compiles once and keeps on disk.

Decoding a token is thousands of small operations, and between them PyTorch takes longer than in them. Here
they are one function: four- and eight-bit products, rotary positions, and attention over the ranges of a view, in
blocks of keys that are merged by their greatest scores and their sums. States are bf16 as everywhere in the
cache, seen as their bits; all else is fp32, and powers are of 2. It knows arrays only.

In shapes, H is the hidden size, D a head's, G the groups of 32 in which a row's weights share a scale.
"""

from typing import Any

import numpy as np
from numba import njit, prange, types
from numba.extending import overload

from kveraser_core.engines.cpu.compiled import OPTIONS, Array
from kveraser_core.engines.cpu.scalars import LEAST, exp2, narrow, norm_scale, silu, turn, wide

Arrays = tuple[Array, ...]

_INLINED: Any = {name: OPTIONS[name] for name in ("fastmath", "error_model")}
GROUP = 32
_BLOCK = 256
"""Keys that are attended to at once, so many that they stay in a core's own cache."""


@njit(**OPTIONS)
def _add_up(grouped: Array, sums: Array) -> None:
    for group in range(sums.size):
        total = np.float32(0)
        for i in range(GROUP):
            total += grouped[group, i]
        sums[group] = total


@njit(**OPTIONS)
def _norm(row: Array, weight: Array, epsilon: Any, grouped: Array, sums: Array) -> None:
    """RMSNorm of `row`, `[H]`, into `grouped`, `[G, 32]`, and each group's sum into `sums`."""
    scale = norm_scale(row, epsilon)
    out = grouped.reshape(-1)
    for i in range(row.size):
        out[i] = row[i] * scale * weight[i]
    _add_up(grouped, sums)


def _product(levels: Any, scales: Any, grouped: Any, sums: Any) -> Any:
    """A row of weights times `grouped`, `[G, 32]`; `levels` and `scales` as in `FourBit` or in `EightBit`."""
    raise NotImplementedError


@overload(_product, jit_options=_INLINED)
def _product_of_a_type(levels: Any, scales: Any, grouped: Any, sums: Any) -> Any:
    def four_bit(levels: Any, scales: Any, grouped: Any, sums: Any) -> Any:
        total = np.float32(0)
        for pair in range(levels.shape[0]):
            first, second = np.float32(0), np.float32(0)
            for i in range(GROUP):
                both = np.int32(levels[pair, i])
                first += np.float32(np.int32(both & np.int32(15))) * grouped[2 * pair, i]
                second += np.float32(np.int32(both >> np.int32(4))) * grouped[2 * pair + 1, i]
            total += first * scales[0, 2 * pair] + second * scales[0, 2 * pair + 1]
        for group in range(sums.size):
            total += scales[1, group] * sums[group]
        return total

    def eight_bit(levels: Any, scales: Any, grouped: Any, sums: Any) -> Any:
        total = np.float32(0)
        for group in range(0, levels.shape[0], 2):  # one group at a time is seven times slower
            first, second = np.float32(0), np.float32(0)
            for i in range(GROUP):
                first += np.float32(np.int32(levels[group, i])) * grouped[group, i]
                second += np.float32(np.int32(levels[group + 1, i])) * grouped[group + 1, i]
            total += first * scales[group] + second * scales[group + 1]
        return total

    return four_bit if levels.dtype == types.uint8 else eight_bit


@njit(**OPTIONS)
def _norm_heads(heads: Array, weight: Array, epsilon: Any) -> None:
    """RMSNorm of each of `heads`, `[n, D]`, in place."""
    for head in range(len(heads)):
        scale = norm_scale(heads[head], epsilon)
        for i in range(weight.size):
            heads[head, i] *= scale * weight[i]


@njit(**OPTIONS)
def _attend(query: Array, keys: Array, values: Array, weights: Array, out: Array, top_and_sum: Array) -> None:
    """Attention of the heads that share a block of keys and values, `[n, D]`, to it; `weights` is room for `[n]`."""
    count, dim = keys.shape
    for head in range(len(query)):
        top = LEAST
        for key in range(count):
            score = np.float32(0)
            for i in range(dim):
                score += query[head, i] * wide(keys[key, i])
            weights[key] = score
            top = max(top, score)
        total = np.float32(0)
        for key in range(count):
            weight = exp2(weights[key] - top)
            weights[key] = weight
            total += weight
        summed = out[head]
        summed[:] = 0
        fours = count - count % 4
        for key in range(0, fours, 4):  # so that sums are read and written a quarter as often
            a, b, c, d = weights[key], weights[key + 1], weights[key + 2], weights[key + 3]
            for i in range(dim):
                summed[i] += (
                    a * wide(values[key, i])
                    + b * wide(values[key + 1, i])
                    + c * wide(values[key + 2, i])
                    + d * wide(values[key + 3, i])
                )
        for key in range(fours, count):
            for i in range(dim):
                summed[i] += weights[key] * wide(values[key, i])
        top_and_sum[head, 0], top_and_sum[head, 1] = top, total


@njit(**OPTIONS)
def _merge(parts: Array, tops_and_sums: Array, out: Array) -> None:
    """The attention to all blocks, `[blocks, kv_heads, shared, D]`, as one in `out`, `[heads, D]`."""
    blocks, _, shared, dim = parts.shape
    for head in range(len(out)):
        kv, member = head // shared, head % shared
        top, total = LEAST, np.float32(0)
        for block in range(blocks):
            top = max(top, tops_and_sums[block, kv, member, 0])
        out[head, :] = 0
        for block in range(blocks):
            share = exp2(tops_and_sums[block, kv, member, 0] - top)
            total += share * tops_and_sums[block, kv, member, 1]
            for i in range(dim):
                out[head, i] += share * parts[block, kv, member, i]
        for i in range(dim):
            out[head, i] /= total


@njit(**OPTIONS)
def _blocks(ends: Array) -> Array:
    """The slots of all ranges in blocks: range, start and end of each."""
    count = 0
    for piece in range(len(ends)):
        count += (ends[piece, 1] - ends[piece, 0] + _BLOCK - 1) // _BLOCK
    blocks = np.empty((count, 3), np.int64)
    block = 0
    for piece in range(len(ends)):
        for start in range(ends[piece, 0], ends[piece, 1], _BLOCK):
            blocks[block, 0], blocks[block, 1] = piece, start
            blocks[block, 2] = min(start + _BLOCK, ends[piece, 1])
            block += 1
    return blocks


@njit(parallel=True, **OPTIONS)
def decode(
    row: Array,
    norms: Array,
    epsilon: Any,
    levels: Arrays,
    scales: Arrays,
    biases: Arrays,
    head_norms: Array,
    rotated: Array,
    keys: Arrays,
    values: Arrays,
    slot: int,
    ends: Array,
    turns: Array,
    scale: Any,
) -> None:
    """Run `row`, `[H]`, through all layers, in place; its states are written into `slot`.

    `norms` is `[layers, 2, H]`. `levels` and `scales` are as in `FourBit` or `EightBit`, `[layers, out, ...]`, one
    for each group of projections that read the same rows: query, key and value; output; gate and up; down. So are
    `biases`, `[layers, out]`. `head_norms`, `[layers, 2, D]`, are the weights by which queries and keys are normed;
    with a last size of 0 they are not. `rotated`, `[layers]`, says where there are positions at all. `keys` and
    `values` are the layers' buffers, `[kv_heads, capacity, D]`. `ends`, `[ranges, 2]`, are the slots of each range of
    the view, `turns`, `[ranges, 2, D / 2]`, the cosines and sines that turn a query for it. The last range ends after
    `slot`, and its turn is the key's as well. Scores are times `scale`, in units of ln 2.
    """
    kv_heads, _, dim = keys[0].shape
    hidden, inner = row.size, levels[2].shape[1] // 2
    heads = levels[0].shape[1] // dim - 2 * kv_heads
    shared = heads // kv_heads
    blocks = _blocks(ends)
    still = np.zeros_like(turns)
    still[:, 0] = 1
    normed, norm_sums = np.empty((hidden // GROUP, GROUP), np.float32), np.empty(hidden // GROUP, np.float32)
    projected = np.empty((heads + 2 * kv_heads, dim), np.float32)
    query, key = np.empty((len(ends), heads, dim), np.float32), np.empty(dim, np.float32)
    weights = np.empty((len(blocks) * kv_heads, _BLOCK), np.float32)
    parts = np.empty((len(blocks), kv_heads, shared, dim), np.float32)
    tops_and_sums = np.empty((len(blocks), kv_heads, shared, 2), np.float32)
    seen = np.empty((heads, dim), np.float32)
    seen_groups, seen_sums = seen.reshape(-1, GROUP), np.empty(heads * dim // GROUP, np.float32)
    gated, gated_sums = np.empty((inner // GROUP, GROUP), np.float32), np.empty(inner // GROUP, np.float32)
    projected_row, gated_row = projected.reshape(-1), gated.reshape(-1)
    for layer in range(len(keys)):
        _norm(row, norms[layer, 0], epsilon, normed, norm_sums)
        for out in prange(projected_row.size):
            product = _product(levels[0][layer, out], scales[0][layer, out], normed, norm_sums)
            projected_row[out] = product + biases[0][layer, out]
        if head_norms.shape[2]:
            _norm_heads(projected[:heads], head_norms[layer, 0], epsilon)
            _norm_heads(projected[heads : heads + kv_heads], head_norms[layer, 1], epsilon)
        turned = turns if rotated[layer] else still
        for kv in range(kv_heads):
            turn(projected[heads + kv], turned[-1, 0], turned[-1, 1], np.float32(1), key)
            for i in range(dim):
                keys[layer][kv, slot, i] = narrow(key[i])
                values[layer][kv, slot, i] = narrow(projected[heads + kv_heads + kv, i])
        for piece in range(len(ends)):
            for head in range(heads):
                turn(projected[head], turned[piece, 0], turned[piece, 1], scale, query[piece, head])
        for task in prange(len(blocks) * kv_heads):
            kv, block = task // len(blocks), task % len(blocks)
            piece, start, end = blocks[block]
            _attend(
                query[piece, kv * shared : (kv + 1) * shared],
                keys[layer][kv, start:end],
                values[layer][kv, start:end],
                weights[task],
                parts[block, kv],
                tops_and_sums[block, kv],
            )
        _merge(parts, tops_and_sums, seen)
        _add_up(seen_groups, seen_sums)
        for out in prange(hidden):
            product = _product(levels[1][layer, out], scales[1][layer, out], seen_groups, seen_sums)
            row[out] += product + biases[1][layer, out]
        _norm(row, norms[layer, 1], epsilon, normed, norm_sums)
        for out in prange(inner):
            gate = _product(levels[2][layer, out], scales[2][layer, out], normed, norm_sums)
            up = _product(levels[2][layer, inner + out], scales[2][layer, inner + out], normed, norm_sums)
            gated_row[out] = silu(gate + biases[2][layer, out]) * (up + biases[2][layer, inner + out])
        _add_up(gated, gated_sums)
        for out in prange(hidden):
            product = _product(levels[3][layer, out], scales[3][layer, out], gated, gated_sums)
            row[out] += product + biases[3][layer, out]


@njit(parallel=True, **OPTIONS)
def multiply(row: Array, levels: Array, scales: Array, out: Array) -> None:
    """A weight, whose `levels` and `scales` are as in `FourBit` or `EightBit`, times `row`, `[G, 32]`, into `out`."""
    sums = np.empty(len(row), np.float32)
    _add_up(row, sums)
    for i in prange(out.size):
        out[i] = _product(levels[i], scales[i], row, sums)
