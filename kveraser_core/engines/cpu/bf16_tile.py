"""A tile of a bf16 matrix product, summed up in registers: `vdpbf16ps` of AVX512.

One such instruction multiplies a pair of neighbours in a row with the pairs of 16 columns and adds both
products to 16 fp32 sums. 8 rows by 48 columns are 24 registers of sums, all that the 32 leave room for.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from kveraser_core.engines.cpu.vector_code import BF16, FLOATS, I32, I64, LANES, LINE, WORDS, Code, kernel

_DOT = "llvm.x86.avx512bf16.dpbf16ps.512"


def tile(
    rows: int,
    vectors: int,
    fresh: bool,
    row_step: int | None = None,
    pair_step: int | None = None,
    fetching: bool = False,
) -> Any:
    """A kernel `(left, row_step, pair_step, right, pairs, out, out_step)`; `left`, `right` and `out` are addresses.

    `left` holds pairs of bf16, `row_step` bytes from one of the `rows` to the next and `pair_step` from one of
    the `pairs` to the next; those that are known here are not looked at there. `right` is
    `[pairs, 16 * vectors, 2]` in bf16. The sums of products, fp32, are added to `out`, `[rows, 16 * vectors]`, whose
    rows are `out_step` bytes apart, or replace what is there if `fresh`. One that is `fetching` takes `ahead` and
    `ahead_step` besides, and has two lines of memory fetched for each pair, from `ahead` on in such steps.
    """

    def write(code: Code, *arguments: Any) -> None:
        builder = code.builder
        left, rows_by, pairs_by, right, pairs, out, out_by, *fetched = arguments
        rows_by = rows_by if row_step is None else row_step
        pairs_by = pairs_by if pair_step is None else pair_step
        places = [(row, vector) for row in range(rows) for vector in range(vectors)]
        outs = {(row, vector): code.after(code.after(out, out_by, row), 4 * LANES, vector) for row, vector in places}
        zeros = ir.Constant(FLOATS, [0.0] * LANES)
        sums = {place: code.variable(zeros if fresh else code.load(outs[place], FLOATS)) for place in places}
        with cgutils.for_range(builder, pairs, intp=I64) as loop:
            if fetched:
                ahead = code.after(fetched[0], fetched[1], loop.index)
                code.prefetch(ahead)
                code.prefetch(code.after(ahead, LINE))
            lefts = code.after(left, pairs_by, loop.index)
            rights = code.after(right, 4 * LANES * vectors, loop.index)
            columns = [
                builder.bitcast(code.load(code.after(rights, 4 * LANES, vector), WORDS), BF16)
                for vector in range(vectors)
            ]
            for row in range(rows):
                pair = builder.bitcast(code.spread(code.load(code.after(lefts, rows_by, row), I32)), BF16)
                for vector in range(vectors):
                    place = sums[row, vector]
                    builder.store(code.call(_DOT, FLOATS, builder.load(place), pair, columns[vector]), place)
        for place in places:
            code.store(builder.load(sums[place]), outs[place])

    name = f"kveraser_tile_{rows}_{vectors}_{fresh}_{row_step}_{pair_step}_{fetching}"
    return kernel(name, write, 9 if fetching else 7)
