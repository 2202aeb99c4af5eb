"""A block of tokens through a layer of a decoder, as kernels that numba compiles once and keeps on disk.

For the few rows of a question or a span the matrix products of a library reach a quarter of the rate that
they have for many, and between its operations as much time is lost again. Here a layer is one call: products
of bf16 rows with weights in the order in which they are read, an eraser's low-rank products with them, and
attention over the pieces of a cache. What is added up along the layers stays in fp32.

In shapes, H is the hidden size, D a head's, I the inner size of the MLP, and R a multiple of 4 rows.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange

from kveraser_core.engines.cpu.bf16 import narrow, narrow_all, norm_scale, silu, turn
from kveraser_core.engines.cpu.bf16_tile import tile
from kveraser_core.engines.cpu.block_attention import WIDTH, attend, merge
from kveraser_core.engines.cpu.compiled import OPTIONS, Array
from kveraser_core.engines.cpu.vector_code import LANES

ROWS = 4
"""Rows come in multiples of it."""
_CHUNK = 64
"""Rows that a thread takes at once."""


def _weight_tile(rows: int, vectors: int) -> Any:
    return tile(rows, vectors, fresh=False, pair_step=4, fetching=True)


_wide_48, _wide_32, _wide_16 = (_weight_tile(2 * ROWS, vectors) for vectors in (3, 2, 1))
_tile_48, _tile_32, _tile_16 = (_weight_tile(ROWS, vectors) for vectors in (3, 2, 1))


class LayerWeights(NamedTuple):
    """A layer's weights: projections by panels (`panels.py`), the rest in fp32.

    `before` and `between` are the norms', `[H]`; `bias` is of query, key and value together, and
    `query_norm` and `key_norm` are `[D]`, or empty where heads are not normed.
    """

    query: Array
    key: Array
    value: Array
    output: Array
    gate: Array
    up: Array
    down: Array
    before: Array
    between: Array
    bias: Array
    query_norm: Array
    key_norm: Array


class LayerEraser(NamedTuple):
    """What an eraser adds to a layer's projections, all by panels, or all empty without one.

    Those that read the same rows share the first product, `read_...`, their ranks one after the other: `[in, ranks of
    all]`. The others are `[ranks, out]`.
    """

    read_states: Array
    read_output: Array
    read_gate_up: Array
    read_down: Array
    query: Array
    key: Array
    value: Array
    output: Array
    gate: Array
    up: Array
    down: Array


@njit(**OPTIONS)
def _add_panel(rows: Array, start: int, end: int, weight: Array, panel: int, out: Array, column: int) -> None:
    """Add the product of the rows `[start, end)`, `[R, in]` in bf16, with a panel of `weight` to `out`.

    Meanwhile the next panel is fetched, a part of it with every tile of rows: else the first tile would wait for
    memory, which the others do not need. A single tile waits for memory either way.
    """
    into = rows.shape[1]
    width = min(WIDTH, weight.size // into - WIDTH * panel)
    right = weight.ctypes.data + 2 * WIDTH * panel * into
    step = 4 * out.shape[1]
    ahead = right + 2 * width * into
    share = 4 * width * ROWS // (end - start) if end - start > 2 * ROWS else 0
    row = start
    while row < end:
        left, to = rows.ctypes.data + 2 * into * row, out.ctypes.data + step * row + 4 * column
        if end - row >= 2 * ROWS:
            row += 2 * ROWS
            if width == WIDTH:
                _wide_48(left, 2 * into, 0, right, into // 2, to, step, ahead, 2 * share)
            elif width == 2 * LANES:
                _wide_32(left, 2 * into, 0, right, into // 2, to, step, ahead, 2 * share)
            else:
                _wide_16(left, 2 * into, 0, right, into // 2, to, step, ahead, 2 * share)
            ahead += share * into
        else:
            row += ROWS
            if width == WIDTH:
                _tile_48(left, 2 * into, 0, right, into // 2, to, step, ahead, share)
            elif width == 2 * LANES:
                _tile_32(left, 2 * into, 0, right, into // 2, to, step, ahead, share)
            else:
                _tile_16(left, 2 * into, 0, right, into // 2, to, step, ahead, share)
            ahead += share * into // 2


@njit(**OPTIONS)
def _add_erased(
    rows: Array, start: int, end: int, weight: Array, low: Array, back: Array, panel: int, out: Array, column: int
) -> None:
    """`_add_panel`, and what an eraser adds, if any: `low`, `[., ranks]` of the first rows, by a panel of `back`."""
    _add_panel(rows, start, end, weight, panel, out, column)
    if back.size:
        _add_panel(low, start, min(end, len(low)), back, panel, out, column)


@njit(parallel=True, **OPTIONS)
def add_product(rows: Array, first: int, weight: Array, low: Array, back: Array, out: Array) -> None:
    """Add `rows @ weight + low @ back`, from row `first` on, to `out`.

    `rows`, `[R, in]`, and `low`, `[., ranks]`, of the first of them, are bf16, `out` is fp32; an empty `back`
    adds nothing.
    """
    panels = (weight.size // rows.shape[1] + WIDTH - 1) // WIDTH
    chunks = (len(rows) - first + _CHUNK - 1) // _CHUNK
    for number in prange(panels * chunks):
        task = np.int64(number)
        panel, start = task // chunks, first + _CHUNK * (task % chunks)
        end = min(start + _CHUNK, len(rows))
        _add_erased(rows, start, end, weight, low, back, panel, out, WIDTH * panel)


@njit(parallel=True, **OPTIONS)
def _states(rows: Array, weights: LayerWeights, low: Array, eraser: LayerEraser, out: Array) -> None:
    """Queries, keys and values of `rows`, `[R, H]` in bf16, side by side into `out`, fp32.

    `low` is of all three, `[3, ., ranks]`; see `add_product`.
    """
    hidden = rows.shape[1]
    query_wide, key_wide = weights.query.size // hidden, weights.key.size // hidden
    queries, keys = (query_wide + WIDTH - 1) // WIDTH, (key_wide + WIDTH - 1) // WIDTH
    chunks = (len(rows) + _CHUNK - 1) // _CHUNK
    for number in prange((queries + 2 * keys) * chunks):
        task = np.int64(number)
        panel, start = task // chunks, _CHUNK * (task % chunks)
        end: Any = min(start + _CHUNK, len(rows))
        weight, back, own_low, column = weights.query, eraser.query, low[0], np.int64(0)
        if panel >= queries + keys:
            weight, back, own_low, column = weights.value, eraser.value, low[2], query_wide + key_wide
            panel -= queries + keys
        elif panel >= queries:
            weight, back, own_low, column = weights.key, eraser.key, low[1], query_wide
            panel -= queries
        at = column + WIDTH * panel
        bias = weights.bias[at : min(at + WIDTH, column + weight.size // hidden)]
        for row in range(start, end):
            for i in range(bias.size):
                out[row, at + i] = bias[i]
        _add_erased(rows, start, end, weight, own_low, back, panel, out, at)


@njit(parallel=True, **OPTIONS)
def _gated(
    rows: Array, first: int, gate: Array, up: Array, low: Array, back_gate: Array, back_up: Array, out: Array
) -> None:
    """SiLU of the gate's product times the other's, from row `first` on: `[R, I]` in bf16.

    `low` is of both, `[2, ., ranks]`; see `add_product`.
    """
    inner = out.shape[1]
    panels, chunks = (inner + WIDTH - 1) // WIDTH, (len(rows) - first + _CHUNK - 1) // _CHUNK
    for number in prange(panels * chunks):
        task = np.int64(number)
        panel, start = task // chunks, first + _CHUNK * (task % chunks)
        none = np.int64(0)
        count: Any = min(_CHUNK, len(rows) - start)
        width = min(WIDTH, inner - WIDTH * panel)
        gates, ups = np.zeros((count, width), np.float32), np.zeros((count, width), np.float32)
        _add_erased(rows[start:], none, count, gate, low[0, start:], back_gate, panel, gates, none)
        _add_erased(rows[start:], none, count, up, low[1, start:], back_up, panel, ups, none)
        for row in range(count):
            own, other, into = gates[row], ups[row], out[start + row, WIDTH * panel : WIDTH * panel + width]
            for i in range(width):
                into[i] = narrow(silu(own[i]) * other[i])


@njit(**OPTIONS)
def _read(rows: Array, first: int, erased: int, weight: Array, count: int) -> Array:
    """The eraser's first product for `count` projections, from row `first` on and of the first `erased` rows only.

    It is `[count, ., ranks]` in bf16, with as many rows as come in multiples, or nothing without an eraser.
    """
    low = np.zeros((count, (erased + ROWS - 1) // ROWS * ROWS, weight.size // rows.shape[1] // count), np.uint16)
    if low.size:
        _fill(rows, first, erased, weight, low)
    return low


@njit(parallel=True, **OPTIONS)
def _fill(rows: Array, first: int, erased: int, weight: Array, low: Array) -> None:
    """What `_read` gives, into `low`."""
    count, read, ranks = low.shape
    none, many = np.int64(0), np.int64(2 * ROWS)
    for number in prange(max(read - first + many - 1, 0) // many):
        start = first + many * np.int64(number)
        end: Any = min(start + many, read)
        sums = np.zeros((end - start, count * ranks), np.float32)
        for panel in range((count * ranks + WIDTH - 1) // WIDTH):
            _add_panel(rows[start:], none, end - start, weight, panel, sums, WIDTH * panel)
        for row in range(min(end, erased) - start):
            for projection in range(count):
                narrow_all(sums[row, projection * ranks : (projection + 1) * ranks], low[projection, start + row])


@njit(parallel=True, **OPTIONS)
def _normed(rows: Array, first: int, weight: Array, epsilon: Any, out: Array) -> None:
    """RMSNorm of `rows`, `[R, H]`, from row `first` on: `[R, H]` in bf16."""
    hidden = rows.shape[1]
    for number in prange(len(rows) - first):
        row = first + np.int64(number)
        scale = norm_scale(rows[row], epsilon)
        for i in range(hidden):
            out[row, i] = narrow(rows[row, i] * scale * weight[i])


@njit(**OPTIONS)
def _norm_heads(heads: Array, weight: Array, epsilon: Any) -> None:
    """RMSNorm of heads side by side, in place."""
    for start in range(0, heads.size, max(weight.size, 1)):
        scale = norm_scale(heads[start : start + weight.size], epsilon)
        for i in range(weight.size):
            heads[start + i] *= scale * weight[i]


@njit(parallel=True, **OPTIONS)
def _place(
    projected: Array,
    turns: Array,
    slots: Array,
    seen: Array,
    scale: Any,
    keys: Array,
    values: Array,
    shared: int,
    queries: Array,
) -> None:
    """Write the tokens' keys and values into their `slots`, and their queries as `attend` reads them.

    `projected` is `[R, (heads + 2 * kv_heads) * D]`; `turns`, `[P, tokens, 2, D / 2]`, turn queries for each piece. A
    token sees the pieces from `seen[token, 0]` up to `seen[token, 1]`, and its key is turned as the last of them.
    Queries are times `scale`.
    """
    _, kv_heads, _ = queries.shape
    dim, heads = keys.shape[2], shared * kv_heads
    lanes = queries.shape[2] // (dim // 2)
    for number in prange(len(slots)):
        token = np.int64(number)
        slot = slots[token]
        turned, halves = np.empty(dim, np.float32), np.empty(dim, np.uint16)
        pairs = halves.view(np.uint32)
        first_piece, end_piece = seen[token]
        as_last = turns[end_piece - 1, token]
        for head in range(kv_heads):
            key, value = (heads + head) * dim, (heads + kv_heads + head) * dim
            turn(projected[token, key : key + dim], as_last[0], as_last[1], np.float32(1), turned)
            narrow_all(turned, keys[head, slot])
            narrow_all(projected[token, value : value + dim], values[head, slot])
        for piece in range(first_piece, end_piece):
            for head in range(heads):
                query = projected[token, head * dim : (head + 1) * dim]
                turn(query, turns[piece, token, 0], turns[piece, token, 1], scale, turned)
                narrow_all(turned, halves)
                lane = token * shared + head % shared
                panel = lane // WIDTH * WIDTH
                width = min(WIDTH, lanes - panel)
                column = queries[piece, head // shared, panel * (dim // 2) + lane - panel :]
                for i in range(dim // 2):
                    column[i * width] = pairs[i]


@njit(**OPTIONS)
def run_layer(
    rows: Array,
    erased: int,
    wanted: int,
    weights: LayerWeights,
    eraser: LayerEraser,
    epsilon: Any,
    keys: Array,
    values: Array,
    slots: Array,
    turns: Array,
    seen: Array,
    scale: Any,
    queries: Array,
    blocks: Array,
    shares: Array,
    limits: Array,
    sums: Array,
    tops: Array,
) -> None:
    """Run `rows`, `[R, H]`, through a layer, in place, of which the last `wanted` tokens only go on to its end.

    The eraser is on for the first `erased`. `slots`, `[tokens]`, say where their states go; what is behind the
    tokens in `rows` is of no meaning. `keys` and `values` are `[kv_heads, capacity, D]`. `turns` and `seen` are as in
    `_place`, `queries` room for what it gives, and `blocks`, `shares`, `limits`, `sums` and `tops` as in `attend`.
    Scores are times `scale`, in units of ln 2.
    """
    tokens, hidden = len(slots), rows.shape[1]
    kv_heads, _, dim = keys.shape
    # literals would have everything compiled once more for each
    none, one, two, three = np.int64(0), np.int64(1), np.int64(2), np.int64(3)
    wide = weights.query.size // hidden
    shared = wide // dim // kv_heads
    normed = np.empty(rows.shape, np.uint16)
    _normed(rows, none, weights.before, epsilon, normed)
    projected = np.empty((len(rows), weights.bias.size), np.float32)
    low = _read(normed, none, erased, eraser.read_states, three)
    _states(normed, weights, low, eraser, projected)
    if weights.query_norm.size:
        for token in range(tokens):
            _norm_heads(projected[token, :wide], weights.query_norm, epsilon)
            _norm_heads(projected[token, wide : wide + kv_heads * dim], weights.key_norm, epsilon)
    _place(projected, turns, slots, seen, scale, keys, values, shared, queries)
    if not wanted:
        return
    first = (tokens - wanted) // ROWS * ROWS
    attend(queries, keys, values, blocks, shares, limits, first * shared, sums, tops)
    attended = np.empty((len(rows), wide), np.uint16)
    attended[tokens:] = 0
    merge(sums, tops, shared, first, tokens, attended)
    low = _read(attended, first, erased, eraser.read_output, one)
    add_product(attended, first, weights.output, low[0], eraser.output, rows)
    _normed(rows, first, weights.between, epsilon, normed)
    gated = np.empty((len(rows), weights.gate.size // hidden), np.uint16)
    low = _read(normed, first, erased, eraser.read_gate_up, two)
    _gated(normed, first, weights.gate, weights.up, low, eraser.gate, eraser.up, gated)
    low = _read(gated, first, erased, eraser.read_down, one)
    add_product(gated, first, weights.down, low[0], eraser.down, rows)
