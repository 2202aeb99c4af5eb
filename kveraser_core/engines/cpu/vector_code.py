"""Kernels written in LLVM's own language, for instructions that compilers do not find in loops.

A kernel is called from functions that numba compiles. It is a function of its own there, once a module and
never inlined, so that what is made of many kernels still compiles soon. All take addresses and counts.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from kveraser_core.engines.cpu.features import LEVEL

LANES = LEVEL.lanes
"""fp32 numbers in a register."""
LINE = 64
"""Bytes that are fetched from memory together."""

I16, I32, I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
FLOATS, WORDS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(I32, LANES)


class _BFloat(ir.Type):
    """LLVM's bf16, which llvmlite does not name."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


BF16 = ir.VectorType(_BFloat(), 2 * LANES)


class Code:
    """Writes the body of a kernel: loads, stores, loops and calls of LLVM's intrinsic functions."""

    def __init__(self, function: Any) -> None:
        self.module = function.module
        self.builder = ir.IRBuilder(function.append_basic_block())

    def load(self, address: Any, kind: Any) -> Any:
        loaded = self.builder.load(self.builder.inttoptr(address, kind.as_pointer()))
        loaded.align = 4
        return loaded

    def store(self, value: Any, address: Any) -> None:
        self.builder.store(value, self.builder.inttoptr(address, value.type.as_pointer())).align = 4

    def after(self, address: Any, step: Any, count: Any = 1) -> Any:
        """The address `count` steps further on; either may be a plain number."""
        step, count = (value if isinstance(value, ir.Value) else I64(value) for value in (step, count))
        return self.builder.add(address, self.builder.mul(step, count))

    def spread(self, word: Any) -> Any:
        """The same word in all lanes."""
        undefined = ir.Constant(WORDS, ir.Undefined)
        first = self.builder.insert_element(undefined, word, I32(0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(WORDS, [0] * LANES))

    def variable(self, value: Any) -> Any:
        """A place for a value that changes in a loop; LLVM makes a register of it."""
        place = cgutils.alloca_once(self.builder, value.type)
        self.builder.store(value, place)
        return place

    def prefetch(self, address: Any) -> None:
        """Have a line of 64 bytes brought into the core's second cache; any address will do."""
        pointer = self.builder.inttoptr(address, ir.IntType(8).as_pointer())
        self.call("llvm.prefetch.p0", ir.VoidType(), pointer, I32(0), I32(2), I32(1))

    def multiply_add(self, one: Any, other: Any, to: Any) -> Any:
        """`one * other + to`, rounded once where the CPU can."""
        product = self.builder.fmul(one, other, flags=("contract",))
        return self.builder.fadd(product, to, flags=("contract",))

    def call(self, name: str, result: Any, *arguments: Any) -> Any:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.module, kind, name), arguments)


def kernel(name: str, write: Callable[..., None], count: int) -> Any:
    """A function for numba of `count` int64 arguments; `write(code, *arguments)` writes its body."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function = builder.module.globals.get(name)
        if function is None:
            function = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [I64] * count), name)
            function.linkage = "linkonce_odr"
            function.attributes.add("noinline")
            code = Code(function)
            write(code, *function.args)
            code.builder.ret_void()
        builder.call(function, cgutils.unpack_tuple(builder, values[0]))
        return context.get_dummy_value()

    @intrinsic
    def typed(typing: Any, *arguments: Any) -> Any:
        return types.void(types.StarArgTuple.from_types((types.int64,) * count)), generate

    return typed


def _fetch(code: Code, address: Any, lines: Any) -> None:
    with cgutils.for_range(code.builder, lines, intp=I64) as loop:
        code.prefetch(code.after(address, LINE, loop.index))


def _interleave(code: Code, first: Any, second: Any, out: Any, vectors: Any) -> None:
    halves = ir.VectorType(I16, LANES)
    with cgutils.for_range(code.builder, vectors, intp=I64) as loop:
        both = [code.load(code.after(row, 2 * LANES, loop.index), halves) for row in (first, second)]
        lower, upper = (code.builder.zext(half, WORDS) for half in both)
        pairs = code.builder.or_(lower, code.builder.shl(upper, ir.Constant(WORDS, [16] * LANES)))
        code.store(pairs, code.after(out, 4 * LANES, loop.index))


fetch = kernel("kveraser_fetch", _fetch, 2)
"""A kernel `(address, lines)` that has memory fetched which is read soon."""
interleave = kernel("kveraser_interleave", _interleave, 4)
"""A kernel `(first, second, out, vectors)` that writes pairs of two rows of bf16, 16 of each a vector, to `out`."""
