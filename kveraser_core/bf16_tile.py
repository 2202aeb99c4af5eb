"""A tile of a bf16 matrix product, summed up in vector registers: `vdpbf16ps` of AVX512, through numba.

One such instruction multiplies a pair of neighbours in a row with the pairs of 16 columns and adds both
products to 16 fp32 sums. Compilers do not find it in loops, so the tile is written in LLVM's own language:
8 rows by 48 columns are 24 registers of sums, all that the 32 leave room for.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 16


class _BFloat(ir.Type):
    """LLVM's bf16, which llvmlite does not name."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


_I32, _I64 = ir.IntType(32), ir.IntType(64)
_SUMS, _PAIRS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(_I32, LANES)
_BF16 = ir.VectorType(_BFloat(), 2 * LANES)
_DOT = "llvm.x86.avx512bf16.dpbf16ps.512"


def tile(rows: int, vectors: int, fresh: bool, row_step: int | None = None, pair_step: int | None = None) -> Any:
    """A kernel `(left, row_step, pair_step, right, pairs, out, out_step)` for numba, all of them int64.

    `left`, `right` and `out` are addresses and steps are bytes. `left` holds pairs of bf16, `row_step` from one
    of the `rows` to the next and `pair_step` from one of the `pairs` to the next; those that are known here are
    not looked at there. `right` is `[pairs, 16 * vectors, 2]` in bf16. The sums of products, fp32, are added to
    `out`, `[rows, 16 * vectors]`, or replace what is there if `fresh`.
    """
    name = f"kveraser_tile_{rows}_{vectors}_{fresh}_{row_step}_{pair_step}"

    @intrinsic
    def product(typing: Any, left: Any, rows_by: Any, pairs_by: Any, right: Any, pairs: Any, out: Any, by: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            module = builder.module
            function = module.globals.get(name)
            if function is None:  # once a module and not inlined, so that kernels compile soon
                function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_I64] * 7), name)
                function.linkage = "linkonce_odr"
                function.attributes.add("noinline")
                _write(function, rows, vectors, fresh, row_step, pair_step)
            builder.call(function, arguments)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 7), generate

    return product


def _write(
    function: Any, rows: int, vectors: int, fresh: bool, row_step: int | None, pair_step: int | None
) -> None:
    builder = ir.IRBuilder(function.append_basic_block())
    left, rows_by, pairs_by, right, pairs, out, out_by = function.args
    rows_by = rows_by if row_step is None else _I64(row_step)
    pairs_by = pairs_by if pair_step is None else _I64(pair_step)
    dot = cgutils.get_or_insert_function(function.module, ir.FunctionType(_SUMS, [_SUMS, _BF16, _BF16]), _DOT)

    def at(address: Any, kind: Any) -> Any:
        return builder.inttoptr(address, kind.as_pointer())

    def load(address: Any, kind: Any) -> Any:
        loaded = builder.load(at(address, kind))
        loaded.align = 4
        return loaded

    tile_of = [(row, vector) for row in range(rows) for vector in range(vectors)]
    outs = {
        (row, vector): builder.add(builder.add(out, builder.mul(out_by, _I64(row))), _I64(4 * LANES * vector))
        for row, vector in tile_of
    }
    sums = {place: cgutils.alloca_once(builder, _SUMS) for place in tile_of}
    for place in tile_of:
        builder.store(ir.Constant(_SUMS, [0.0] * LANES) if fresh else load(outs[place], _SUMS), sums[place])
    with cgutils.for_range(builder, pairs, intp=_I64) as loop:
        lefts = builder.add(left, builder.mul(loop.index, pairs_by))
        rights = builder.add(right, builder.mul(loop.index, _I64(4 * LANES * vectors)))
        columns = [
            builder.bitcast(load(builder.add(rights, _I64(4 * LANES * vector)), _PAIRS), _BF16)
            for vector in range(vectors)
        ]
        undefined = ir.Constant(_PAIRS, ir.Undefined)
        for row in range(rows):
            one = load(builder.add(lefts, builder.mul(rows_by, _I64(row))), _I32)
            first = builder.insert_element(undefined, one, _I32(0))
            same = builder.shuffle_vector(first, undefined, ir.Constant(_PAIRS, [0] * LANES))
            for vector in range(vectors):
                place = sums[row, vector]
                added = [builder.load(place), builder.bitcast(same, _BF16), columns[vector]]
                builder.store(builder.call(dot, added), place)
    for place in tile_of:
        builder.store(builder.load(sums[place]), at(outs[place], _SUMS)).align = 4
    builder.ret_void()
