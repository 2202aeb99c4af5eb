"""From scores to weights, a register of lanes at once: powers of 2 of what scores are below the greatest."""

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from kveraser_core.engines.cpu.features import LEVEL
from kveraser_core.engines.cpu.vector_code import BF16, FLOATS, I16, I32, I64, LANES, WORDS, Code, kernel

_POLYNOMIAL = (0.0782582, 0.2262987, 0.6954431, 1.0)
"""2^x for x from 0 to 1, one part in 9,000 off at most, a twentieth of what rounding to bf16 does."""
_FINE_POLYNOMIAL = (0.013426692, 0.052242461, 0.24128021, 0.69304484, 1.0)
"""The same for weights in fp32, one part in 300,000 off at most."""
_FLOOR = I32(1)
"""Says that what is left of a number is counted from the whole number below it."""


def weigh(vectors: int) -> Any:
    """A kernel `(scores, pairs, tops, totals, shrunk, weights, rose)`, all addresses but for `pairs`.

    `scores`, `[2 * pairs, LANES * vectors]` in fp32, become `weights` relative to the greatest score of each lane so
    far, `tops`: in fp32, of the same shape, or pairs of bf16, `[pairs, LANES * vectors]`. Their sums are added to
    `totals`. Where `tops` rise totals shrink
    with what they are of, by `shrunk`, and `rose`, an int64, says if any did.
    """

    def write(code: Code, *arguments: Any) -> None:
        builder = code.builder
        scores, pairs, tops, totals, shrunk, weights, rose = arguments
        code.store(I64(0), rose)
        columns = [4 * LANES * vector for vector in range(vectors)]
        olds = [code.load(code.after(tops, column), FLOATS) for column in columns]
        found = [code.variable(old) for old in olds]
        with cgutils.for_range(builder, pairs, intp=I64) as loop:
            for column, top in zip(columns, found, strict=True):
                first, second = _both(code, code.after(scores, column), vectors, loop.index)
                builder.store(_greater(builder, builder.load(top), _greater(builder, first, second)), top)
        for column, old, top in zip(columns, olds, found, strict=True):
            new = builder.load(top)
            code.store(new, code.after(tops, column))
            rises = builder.zext(builder.bitcast(builder.fcmp_ordered("<", old, new), ir.IntType(LANES)), I64)
            code.store(builder.or_(code.load(rose, I64), rises), rose)
            shrinks = _power(code, builder.fsub(old, new))
            code.store(shrinks, code.after(shrunk, column))
            total = code.variable(builder.fmul(code.load(code.after(totals, column), FLOATS), shrinks))
            with cgutils.for_range(builder, pairs, intp=I64) as loop:
                both = _both(code, code.after(scores, column), vectors, loop.index)
                first, second = (_power(code, builder.fsub(score, new)) for score in both)
                builder.store(builder.fadd(builder.load(total), builder.fadd(first, second)), total)
                if LEVEL.pairs:
                    into = code.after(code.after(weights, column), 4 * LANES * vectors, loop.index)
                    code.store(_pair(code, first, second), into)
                else:
                    into = code.after(code.after(weights, column), 8 * LANES * vectors, loop.index)
                    code.store(first, into)
                    code.store(second, code.after(into, 4 * LANES * vectors))
            code.store(builder.load(total), code.after(totals, column))

    return kernel(f"kveraser_weigh_{vectors}", write, 7)


def _both(code: Code, scores: Any, vectors: int, pair: Any) -> tuple[Any, Any]:
    """The scores of a pair of neighbouring keys."""
    first = code.after(scores, 8 * LANES * vectors, pair)
    return code.load(first, FLOATS), code.load(code.after(first, 4 * LANES * vectors), FLOATS)


def _greater(builder: Any, first: Any, second: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", first, second), first, second)


def _power(code: Code, power: Any) -> Any:
    """2^`power` for powers up to 0."""
    if not LEVEL.pairs:
        return _power_in_parts(code, power)
    always, rounding = ir.Constant(I16, -1), I32(4)
    rest = code.call("llvm.x86.avx512.mask.reduce.ps.512", FLOATS, power, _FLOOR, power, always, rounding)
    value = _polynomial(code, rest, _POLYNOMIAL)
    return code.call("llvm.x86.avx512.mask.scalef.ps.512", FLOATS, value, power, value, always, rounding)


def _power_in_parts(code: Code, power: Any) -> Any:
    """2^`power` for powers up to 0, where no instruction scales by powers: that of its whole part is an exponent."""
    builder = code.builder
    power = _greater(builder, power, _all(-126.0))
    whole = code.call(f"llvm.floor.v{LANES}f32", FLOATS, power)
    value = _polynomial(code, builder.fsub(power, whole), _FINE_POLYNOMIAL)
    exponent = builder.add(builder.fptosi(whole, WORDS), ir.Constant(WORDS, [127] * LANES))
    return builder.fmul(value, builder.bitcast(builder.shl(exponent, ir.Constant(WORDS, [23] * LANES)), FLOATS))


def _polynomial(code: Code, rest: Any, factors: tuple[float, ...]) -> Any:
    value, *others = (_all(factor) for factor in factors)
    for factor in others:
        value = code.multiply_add(value, rest, factor)
    return value


def _all(number: float) -> Any:
    return ir.Constant(FLOATS, [number] * LANES)


def _pair(code: Code, first: Any, second: Any) -> Any:
    """The bits of the nearest bf16 of both, side by side in each word."""
    rounded = code.call("llvm.x86.avx512bf16.cvtne2ps2bf16.512", BF16, second, first)
    halves = code.builder.bitcast(rounded, ir.VectorType(I16, 2 * LANES))
    order = [half * LANES + lane for lane in range(LANES) for half in (0, 1)]
    mask = ir.Constant(ir.VectorType(I32, 2 * LANES), order)
    return code.builder.shuffle_vector(halves, ir.Constant(halves.type, ir.Undefined), mask)
