"""Kernels written in LLVM's own language, for instructions that compilers do not find in loops.

A kernel is called from functions that numba compiles. It is a function of its own there, once a module and
never inlined, so that what is made of many kernels still compiles soon. All take addresses and counts.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 16
"""fp32 numbers in a register of 512 bits."""

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


HALF_BF16, BF16 = (ir.VectorType(_BFloat(), count) for count in (LANES, 2 * LANES))


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

    def call(self, name: str, result: Any, *arguments: Any) -> Any:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.module, kind, name), arguments)


def kernel(name: str, write: Callable[..., None]) -> Any:
    """A function for numba of seven int64 arguments; `write(code, *arguments)` writes its body."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function = builder.module.globals.get(name)
        if function is None:
            function = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [I64] * 7), name)
            function.linkage = "linkonce_odr"
            function.attributes.add("noinline")
            code = Code(function)
            write(code, *function.args)
            code.builder.ret_void()
        builder.call(function, values)
        return context.get_dummy_value()

    @intrinsic
    def typed(typing: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any) -> Any:
        return types.void(*[types.int64] * 7), generate

    return typed
