"""Attention of a block of tokens to the ranges of a view, as kernels that numba compiles.

Query heads that share keys are *lanes*, side by side: a token's neighbours are its own heads, then the next
token's. Scores and sums lie with a lane for a column, so that what is done to a score is done to a register
of them at once. Keys come in blocks that stay in a core's own caches,
and blocks are merged by their greatest scores and their sums, as in FlashAttention (Dao et al. 2022, arXiv
2205.14135). Every thread takes a share of the blocks, of all heads, and the threads' parts are merged.

In shapes, D is a head's size and P the number of ranges. Lanes come in panels of three registers, the last may be
narrower.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from kveraser_core.engines.cpu.compiled import OPTIONS, Array
from kveraser_core.engines.cpu.features import LEVEL
from kveraser_core.engines.cpu.scalars import BYTES, LEAST, PER_WORD, WORK, all_to_work, exp2, widen_all
from kveraser_core.engines.cpu.tile import tile
from kveraser_core.engines.cpu.vector_code import LANES, LINE, fetch, interleave
from kveraser_core.engines.cpu.weights import weigh

WIDTH = 3 * LANES
KEYS = 64
GROUP = 4 * WIDTH
"""Lanes whose sums stay in a core's own cache while it goes through the keys."""
_ROWS = LEVEL.rows
_PADDED = 8
"""Keys of a block are made a multiple of it."""

_score_3, _score_2, _score_1 = (tile(_ROWS, vectors, fresh=True, word_step=4) for vectors in (3, 2, 1))
_sum_3, _sum_2, _sum_1 = (tile(_ROWS, vectors, fresh=False, row_step=4) for vectors in (3, 2, 1))
_weigh_3, _weigh_2, _weigh_1 = (weigh(vectors) for vectors in (3, 2, 1))


@njit(**OPTIONS)
def _in_lines(count: int) -> Array:
    """Room for `count` fp32 numbers that starts with a line of memory: registers are read from it line by line."""
    room = np.empty(count + LINE // 4, np.float32)
    start = -room.ctypes.data % LINE // 4
    return room[start : start + count]


@njit(**OPTIONS)
def _keys(keys: Array, start: int, end: int, room: Array) -> Array:
    """The slots `[start, end)` of a head's keys, and zeros up to a multiple of 8, in `room` if need be."""
    count = end - start
    padded = (count + _PADDED - 1) // _PADDED * _PADDED
    if PER_WORD == 1:
        widen_all(keys[start:end].reshape(-1), room.reshape(-1))
    elif count == padded:
        return keys[start:end]
    else:
        room[:count] = keys[start:end]
    room[count:padded] = 0
    return room[:padded]


@njit(**OPTIONS)
def _values(values: Array, start: int, end: int, padded: int, room: Array) -> None:
    """A head's values in the slots `[start, end)` as words, and zeros up to `padded`, into `room`.

    Words of two are of neighbouring slots, `[padded / 2, D]`, others are `[padded, D]`.
    """
    count, dim = end - start, values.shape[1]
    if PER_WORD == 1:
        widen_all(values[start:end].reshape(-1), room.view(np.float32).reshape(-1))
    else:
        for both in range(count // 2):
            first = values.ctypes.data + 2 * dim * (start + 2 * both)
            interleave(first, first + 2 * dim, room.ctypes.data + 4 * dim * both, dim // LANES)
        if count % 2:
            for i in range(dim):
                room[count // 2, i] = values[end - 1, i]
    room[(count + PER_WORD - 1) // PER_WORD : padded // PER_WORD] = 0


@njit(**OPTIONS)
def _score(keys: Array, queries: Array, width: int, scores: Array, key_ahead: int, value_ahead: int) -> None:
    """The scores of `width` lanes for all `keys`: `[keys, width]`, flat.

    Meanwhile as many keys and values are fetched from `key_ahead` and `value_ahead` on, addresses both, if not 0.
    """
    dim = keys.shape[1]
    step, words = BYTES * dim, dim // PER_WORD
    for key in range(0, len(keys), _ROWS):
        if key_ahead:
            fetch(key_ahead + 2 * dim * key, 2 * dim * _ROWS // LINE)
            fetch(value_ahead + 2 * dim * key, 2 * dim * _ROWS // LINE)
        left, out = keys.ctypes.data + step * key, scores.ctypes.data + 4 * width * key
        if width == WIDTH:
            _score_3(left, step, 0, queries.ctypes.data, words, out, 4 * width)
        elif width == 2 * LANES:
            _score_2(left, step, 0, queries.ctypes.data, words, out, 4 * width)
        else:
            _score_1(left, step, 0, queries.ctypes.data, words, out, 4 * width)


@njit(**OPTIONS)
def _sum(value_words: Array, padded: int, weights: Array, width: int, sums: Array) -> None:
    """Add the values of `padded` keys, weighted, to the lanes' sums: `[D, width]`, flat."""
    dim, words = value_words.shape[1], padded // PER_WORD
    for i in range(0, dim, _ROWS):
        left, out = value_words.ctypes.data + 4 * i, sums.ctypes.data + 4 * width * i
        if width == WIDTH:
            _sum_3(left, 0, 4 * dim, weights.ctypes.data, words, out, 4 * width)
        elif width == 2 * LANES:
            _sum_2(left, 0, 4 * dim, weights.ctypes.data, words, out, 4 * width)
        else:
            _sum_1(left, 0, 4 * dim, weights.ctypes.data, words, out, 4 * width)


@njit(**OPTIONS)
def _weigh(scores: Array, padded: int, width: int, tops: Array, totals: Array, shrunk: Array, weights: Array) -> bool:
    """Turn scores into weights, words of neighbouring keys, relative to the greatest score so far.

    Whether that rose for any lane; then `shrunk`, `[width]`, says what earlier weights are to be multiplied by.
    """
    rose = np.zeros(1, np.int64)
    left, out, flag = scores.ctypes.data, weights.ctypes.data, rose.ctypes.data
    top, total, factor = tops.ctypes.data, totals.ctypes.data, shrunk.ctypes.data
    if width == WIDTH:
        _weigh_3(left, padded // 2, top, total, factor, out, flag)
    elif width == 2 * LANES:
        _weigh_2(left, padded // 2, top, total, factor, out, flag)
    else:
        _weigh_1(left, padded // 2, top, total, factor, out, flag)
    return rose[0] != 0


@njit(**OPTIONS)
def _hide(block: Array, lane: int, width: int, limits: Array, scores: Array) -> None:
    """Lower the scores of the keys of a block that lanes from `lane` on do not see."""
    _, start, end, first, last, causal = block
    for key in range(end - start):
        row = scores[key * width : (key + 1) * width]
        row[: max(first - lane, 0)] = LEAST
        row[min(last - lane, width) :] = LEAST
    if causal and end - 1 > limits[max(lane, first)]:
        for key in range(end - start):
            for i in range(width):
                if start + key > limits[lane + i]:
                    scores[key * width + i] = LEAST


@njit(parallel=True, **OPTIONS)
def attend(
    queries: Array,
    keys: Array,
    values: Array,
    blocks: Array,
    shares: Array,
    limits: Array,
    first: int,
    sums: Array,
    tops: Array,
) -> None:
    """Attention of all lanes from `first` on to the `blocks` of slots, a part's being those between its `shares`.

    `queries`, `[P, kv_heads, lanes * words]`, hold for each panel of lanes words of their dimensions, `[words,
    width]`; `keys` and `values` are `[kv_heads, capacity, D]`. `blocks`, `[blocks, 6]`, are the range, start and end
    of each, the first lane that sees it and the one after the last, and whether these see the slots up to their
    `limits` only. For each part, head and group of lanes `sums` get weighted values, by panels, `[D, width]`, and
    `tops` greatest scores and sums of weights, `[2, GROUP]`.
    """
    parts, kv_heads, groups, _ = sums.shape
    dim, lanes = keys.shape[2], len(limits)
    for number in prange(parts * kv_heads * groups):
        task = np.int64(number)
        part, head, group = task // (kv_heads * groups), task // groups % kv_heads, task % groups
        start_lane, end_lane = group * GROUP, min((group + 1) * GROUP, lanes)
        summed, top, total = sums[part, head, group], tops[part, head, group, 0], tops[part, head, group, 1]
        summed[:], top[:], total[:] = 0, LEAST, 0
        room, value_words = np.empty((KEYS, dim), WORK), np.empty((KEYS // PER_WORD, dim), np.uint32)
        scores, weights = _in_lines(KEYS * WIDTH), _in_lines(KEYS // PER_WORD * WIDTH).view(np.uint32)
        shrunk = _in_lines(WIDTH)
        for block in range(shares[part], shares[part + 1]):
            piece, start, end, first_lane, last_lane, causal = blocks[block]
            from_lane, to_lane = max(start_lane, first_lane, first), min(end_lane, last_lane)
            if from_lane >= to_lane or (causal and start > limits[to_lane - 1]):
                continue
            key_block = _keys(keys[head], start, end, room)
            padded = len(key_block)
            _values(values[head], start, end, padded, value_words)
            key_ahead: Any = np.int64(0)
            value_ahead: Any = np.int64(0)
            if block + 1 < shares[part + 1]:
                ahead = blocks[block + 1, 1]
                key_ahead, value_ahead = keys[head, ahead:].ctypes.data, values[head, ahead:].ctypes.data
            for lane in range(start_lane, end_lane, WIDTH):
                width = min(WIDTH, lanes - lane)
                until = min(lane + width, to_lane)
                if until <= max(lane, from_lane) or (causal and start > limits[until - 1]):
                    continue
                query_words = queries[piece, head, lane * dim // PER_WORD :]
                _score(key_block, query_words, width, scores, key_ahead, value_ahead)
                key_ahead = np.int64(0)
                scores[(end - start) * width : padded * width] = LEAST
                if lane < first_lane or lane + width > last_lane or (causal and end - 1 > limits[lane]):
                    _hide(blocks[block], lane, width, limits, scores)
                at = lane - start_lane
                panel = summed[at * dim : (at + width) * dim]
                rose = _weigh(scores, padded, width, top[at : at + width], total[at : at + width], shrunk, weights)
                if rose:
                    for i in range(dim):
                        for column in range(width):
                            panel[i * width + column] *= shrunk[column]
                _sum(value_words, padded, weights, width, panel)


@njit(parallel=True, **OPTIONS)
def merge(sums: Array, tops: Array, shared: int, first: int, end: int, out: Array) -> None:
    """The attention of the tokens `[first, end)` from the parts that `attend` left: `[tokens, heads * D]`."""
    parts, kv_heads, _, size = sums.shape
    dim = size // GROUP
    lanes = (len(out) * shared + LANES - 1) // LANES * LANES
    for number in prange(end - first):
        token = first + np.int64(number)
        shares, mixed = np.empty(parts, np.float32), np.empty(dim, np.float32)
        for head in range(kv_heads):
            for member in range(shared):
                group, lane = divmod(token * shared + member, GROUP)
                panel = lane // WIDTH * WIDTH
                width: Any = min(WIDTH, lanes - group * GROUP - panel)
                top, total = LEAST, np.float32(0)
                for part in range(parts):
                    top = max(top, tops[part, head, group, 0, lane])
                for part in range(parts):
                    shares[part] = exp2(tops[part, head, group, 0, lane] - top)
                    total += shares[part] * tops[part, head, group, 1, lane]
                mixed[:] = 0
                for part in range(parts):
                    share = shares[part] / total
                    column = sums[part, head, group, panel * dim + lane - panel :]
                    for i in range(dim):
                        mixed[i] += share * column[i * width]
                at = (head * shared + member) * dim
                all_to_work(mixed, out[token, at : at + dim])
