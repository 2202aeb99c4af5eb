"""A block of tokens through a layer of a decoder, as kernels that numba compiles once and keeps on disk.

For the few rows of a question or a span the matrix products of a library reach a quarter of the rate that
they have for many, and between its operations as much time is lost again. Here a layer is one call: products
of rows with weights in the order in which they are read, an eraser's low-rank products with them, and attention over
the ranges of a view. Rows are rounded to `WORK` numbers before products; what is added up along the layers stays in
fp32.

In shapes, H is the hidden size, D a head's, I the inner size of the MLP, and R a multiple of 4 rows.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange

from kveraser_core.engines.cpu.block_attention import WIDTH, attend, merge
from kveraser_core.engines.cpu.compiled import OPTIONS, Array
from kveraser_core.engines.cpu.products import CHUNK, ROWS, add_erased, add_product, read_low
from kveraser_core.engines.cpu.scalars import PER_WORD, WORK, all_to_work, narrow_all, norm_scale, silu, to_work, turn


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


@njit(parallel=True, **OPTIONS)
def _states(rows: Array, weights: LayerWeights, low: Array, eraser: LayerEraser, out: Array) -> None:
    """Queries, keys and values of `rows`, `[R, H]`, side by side into `out`, fp32.

    `low` is of all three, `[3, ., ranks]`; see `add_product`.
    """
    hidden = rows.shape[1]
    query_wide, key_wide = weights.query.size // hidden, weights.key.size // hidden
    queries, keys = (query_wide + WIDTH - 1) // WIDTH, (key_wide + WIDTH - 1) // WIDTH
    chunks = (len(rows) + CHUNK - 1) // CHUNK
    for number in prange((queries + 2 * keys) * chunks):
        task = np.int64(number)
        panel, start = task // chunks, CHUNK * (task % chunks)
        end: Any = min(start + CHUNK, len(rows))
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
        add_erased(rows, start, end, weight, own_low, back, panel, out, at)


@njit(parallel=True, **OPTIONS)
def _gated(
    rows: Array, first: int, gate: Array, up: Array, low: Array, back_gate: Array, back_up: Array, out: Array
) -> None:
    """SiLU of the gate's product times the other's, from row `first` on: `[R, I]`.

    `low` is of both, `[2, ., ranks]`; see `add_product`.
    """
    inner = out.shape[1]
    panels, chunks = (inner + WIDTH - 1) // WIDTH, (len(rows) - first + CHUNK - 1) // CHUNK
    for number in prange(panels * chunks):
        task = np.int64(number)
        panel, start = task // chunks, first + CHUNK * (task % chunks)
        none = np.int64(0)
        count: Any = min(CHUNK, len(rows) - start)
        width = min(WIDTH, inner - WIDTH * panel)
        gates, ups = np.zeros((count, width), np.float32), np.zeros((count, width), np.float32)
        add_erased(rows[start:], none, count, gate, low[0, start:], back_gate, panel, gates, none)
        add_erased(rows[start:], none, count, up, low[1, start:], back_up, panel, ups, none)
        for row in range(count):
            own, other, into = gates[row], ups[row], out[start + row, WIDTH * panel : WIDTH * panel + width]
            for i in range(width):
                into[i] = to_work(silu(own[i]) * other[i])


@njit(parallel=True, **OPTIONS)
def _normed(rows: Array, first: int, weight: Array, epsilon: Any, out: Array) -> None:
    """RMSNorm of `rows`, `[R, H]`, from row `first` on: `[R, H]`."""
    hidden = rows.shape[1]
    for number in prange(len(rows) - first):
        row = first + np.int64(number)
        scale = norm_scale(rows[row], epsilon)
        for i in range(hidden):
            out[row, i] = to_work(rows[row, i] * scale * weight[i])


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

    `projected` is `[R, (heads + 2 * kv_heads) * D]`; `turns`, `[P, tokens, 2, D / 2]`, rotate queries for each range.
    A token sees the ranges from `seen[token, 0]` up to `seen[token, 1]`, and its key is rotated as for the last of
    them. Queries are times `scale`.
    """
    _, kv_heads, _ = queries.shape
    dim, heads = keys.shape[2], shared * kv_heads
    words = dim // PER_WORD
    lanes = queries.shape[2] // words
    for number in prange(len(slots)):
        token = np.int64(number)
        slot = slots[token]
        turned, kept = np.empty(dim, np.float32), np.empty(dim, WORK)
        own_words = kept.view(np.uint32)
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
                all_to_work(turned, kept)
                lane = token * shared + head % shared
                panel = lane // WIDTH * WIDTH
                width = min(WIDTH, lanes - panel)
                column = queries[piece, head // shared, panel * words + lane - panel :]
                for i in range(words):
                    column[i * width] = own_words[i]


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

    The eraser is on for the first `erased`. `slots`, `[tokens]`, say where their states go; what is after the
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
    normed = np.empty(rows.shape, WORK)
    _normed(rows, none, weights.before, epsilon, normed)
    projected = np.empty((len(rows), weights.bias.size), np.float32)
    low = read_low(normed, none, erased, eraser.read_states, three)
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
    attended = np.empty((len(rows), wide), WORK)
    attended[tokens:] = 0
    merge(sums, tops, shared, first, tokens, attended)
    low = read_low(attended, first, erased, eraser.read_output, one)
    add_product(attended, first, weights.output, low[0], eraser.output, rows)
    _normed(rows, first, weights.between, epsilon, normed)
    gated = np.empty((len(rows), weights.gate.size // hidden), WORK)
    low = read_low(normed, first, erased, eraser.read_gate_up, two)
    _gated(normed, first, weights.gate, weights.up, low, eraser.gate, eraser.up, gated)
    low = read_low(gated, first, erased, eraser.read_down, one)
    add_product(gated, first, weights.down, low[0], eraser.down, rows)
