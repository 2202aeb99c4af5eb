"""Products of rows of `WORK` numbers with weights in panels, and an eraser's low-rank products with them, as kernels.

In shapes, R is a multiple of 4 rows.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from kveraser_core.engines.cpu.block_attention import WIDTH
from kveraser_core.engines.cpu.compiled import OPTIONS, Array
from kveraser_core.engines.cpu.features import LEVEL
from kveraser_core.engines.cpu.scalars import BYTES, PER_WORD, WORK, all_to_work
from kveraser_core.engines.cpu.tile import tile
from kveraser_core.engines.cpu.vector_code import LANES

ROWS = 4
"""Rows come in multiples of it."""
CHUNK = 64
"""Rows that a thread takes at once."""
_TALL = LEVEL.rows
"""Rows of a tile that uses all registers."""


def _weight_tile(rows: int, vectors: int) -> Any:
    return tile(rows, vectors, fresh=False, word_step=4, fetching=True)


_tall_3, _tall_2, _tall_1 = (_weight_tile(_TALL, vectors) for vectors in (3, 2, 1))
_tile_3, _tile_2, _tile_1 = (_weight_tile(ROWS, vectors) for vectors in (3, 2, 1))


@njit(**OPTIONS)
def _add_panel(rows: Array, start: int, end: int, weight: Array, panel: int, out: Array, column: int) -> None:
    """Add the product of the rows `[start, end)`, `[R, in]`, with a panel of `weight` to `out`.

    Meanwhile the next panel is fetched, a part of it with every tile of rows: else the first tile would wait for
    memory, which the others do not need. A single tile waits for memory either way.
    """
    into = rows.shape[1]
    words = into // PER_WORD
    width = min(WIDTH, weight.size // into - WIDTH * panel)
    right = weight.ctypes.data + BYTES * WIDTH * panel * into
    step = 4 * out.shape[1]
    ahead = right + BYTES * width * into
    share = 4 * width * ROWS // (end - start) if end - start > 2 * ROWS else 0
    row = start
    while row < end:
        left, to = rows.ctypes.data + BYTES * into * row, out.ctypes.data + step * row + 4 * column
        if end - row >= _TALL:
            row += _TALL
            further = share * _TALL // ROWS
            if width == WIDTH:
                _tall_3(left, 4 * words, 0, right, words, to, step, ahead, further)
            elif width == 2 * LANES:
                _tall_2(left, 4 * words, 0, right, words, to, step, ahead, further)
            else:
                _tall_1(left, 4 * words, 0, right, words, to, step, ahead, further)
            ahead += further * words
        else:
            row += ROWS
            if width == WIDTH:
                _tile_3(left, 4 * words, 0, right, words, to, step, ahead, share)
            elif width == 2 * LANES:
                _tile_2(left, 4 * words, 0, right, words, to, step, ahead, share)
            else:
                _tile_1(left, 4 * words, 0, right, words, to, step, ahead, share)
            ahead += share * words


@njit(**OPTIONS)
def add_erased(
    rows: Array, start: int, end: int, weight: Array, low: Array, back: Array, panel: int, out: Array, column: int
) -> None:
    """`_add_panel`, and what an eraser adds, if any: `low`, `[., ranks]` of the first rows, by a panel of `back`."""
    _add_panel(rows, start, end, weight, panel, out, column)
    if back.size:
        _add_panel(low, start, min(end, len(low)), back, panel, out, column)


@njit(parallel=True, **OPTIONS)
def add_product(rows: Array, first: int, weight: Array, low: Array, back: Array, out: Array) -> None:
    """Add `rows @ weight + low @ back`, from row `first` on, to `out`.

    `rows` are `[R, in]` and `low`, of the first of them, `[., ranks]`; `out` is fp32. An empty `back` adds nothing.
    """
    panels = (weight.size // rows.shape[1] + WIDTH - 1) // WIDTH
    chunks = (len(rows) - first + CHUNK - 1) // CHUNK
    for number in prange(panels * chunks):
        task = np.int64(number)
        panel, start = task // chunks, first + CHUNK * (task % chunks)
        end = min(start + CHUNK, len(rows))
        add_erased(rows, start, end, weight, low, back, panel, out, WIDTH * panel)


@njit(**OPTIONS)
def read_low(rows: Array, first: int, erased: int, weight: Array, count: int) -> Array:
    """The eraser's first product for `count` projections, from row `first` on and of the first `erased` rows only.

    It is `[count, ., ranks]`, with as many rows as come in multiples, or nothing without an eraser.
    """
    low = np.zeros((count, (erased + ROWS - 1) // ROWS * ROWS, weight.size // rows.shape[1] // count), WORK)
    if low.size:
        _fill(rows, first, erased, weight, low)
    return low


@njit(parallel=True, **OPTIONS)
def _fill(rows: Array, first: int, erased: int, weight: Array, low: Array) -> None:
    """What `read_low` gives, into `low`."""
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
                all_to_work(sums[row, projection * ranks : (projection + 1) * ranks], low[projection, start + row])
