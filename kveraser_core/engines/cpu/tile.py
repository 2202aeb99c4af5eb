"""A tile of a matrix product, summed up in registers.

Numbers come in words of 32 bits, one in fp32 or a pair of neighbours in bf16. One instruction multiplies a word of a
row with the words of the columns in a register, and adds the products to as many fp32 sums: a multiply-add, or
`vdpbf16ps` of AVX-512. 16 registers leave room for sums of 4 rows by 3 registers of columns, 32 for 8 rows by 3.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from kveraser_core.engines.cpu.features import LEVEL
from kveraser_core.engines.cpu.vector_code import BF16, FLOATS, I32, I64, LANES, LINE, WORDS, Code, kernel

_DOT = "llvm.x86.avx512bf16.dpbf16ps.512"


def tile(
    rows: int,
    vectors: int,
    fresh: bool,
    row_step: int | None = None,
    word_step: int | None = None,
    fetching: bool = False,
) -> Any:
    """A kernel `(left, row_step, word_step, right, words, out, out_step)`; `left`, `right` and `out` are addresses.

    `left` holds words, `row_step` bytes from one of the `rows` to the next and `word_step` from one of the `words` to
    the next; those that are known here are not looked at there. `right` is `[words, LANES * vectors]`. The sums of
    products, fp32, are added to `out`, `[rows, LANES * vectors]`, whose rows are `out_step` bytes apart, or replace
    what is there if `fresh`. One that is `fetching` takes `ahead` and `ahead_step` besides, and has two lines of
    memory fetched for each word, from `ahead` on in such steps.
    """

    def write(code: Code, *arguments: Any) -> None:
        builder = code.builder
        left, rows_by, words_by, right, words, out, out_by, *fetched = arguments
        rows_by = rows_by if row_step is None else row_step
        words_by = words_by if word_step is None else word_step
        places = [(row, vector) for row in range(rows) for vector in range(vectors)]
        outs = {(row, vector): code.after(code.after(out, out_by, row), 4 * LANES, vector) for row, vector in places}
        zeros = ir.Constant(FLOATS, [0.0] * LANES)
        sums = {place: code.variable(zeros if fresh else code.load(outs[place], FLOATS)) for place in places}
        with cgutils.for_range(builder, words, intp=I64) as loop:
            if fetched:
                ahead = code.after(fetched[0], fetched[1], loop.index)
                code.prefetch(ahead)
                code.prefetch(code.after(ahead, LINE))
            lefts = code.after(left, words_by, loop.index)
            rights = code.after(right, 4 * LANES * vectors, loop.index)
            columns = [code.load(code.after(rights, 4 * LANES, vector), WORDS) for vector in range(vectors)]
            for row in range(rows):
                word = code.spread(code.load(code.after(lefts, rows_by, row), I32))
                for vector in range(vectors):
                    place = sums[row, vector]
                    builder.store(_add_products(code, builder.load(place), word, columns[vector]), place)
        for place in places:
            code.store(builder.load(sums[place]), outs[place])

    name = f"kveraser_tile_{rows}_{vectors}_{fresh}_{row_step}_{word_step}_{fetching}"
    return kernel(name, write, 9 if fetching else 7)


def _add_products(code: Code, sums: Any, first: Any, second: Any) -> Any:
    """`sums` and the products of the numbers in two registers of words."""
    if LEVEL.pairs:
        return code.call(_DOT, FLOATS, sums, *(code.builder.bitcast(words, BF16) for words in (first, second)))
    one, other = (code.builder.bitcast(words, FLOATS) for words in (first, second))
    return code.multiply_add(one, other, sums)
