"""The graphics state of a PDF page, and the matrices in it."""

from dataclasses import dataclass
from typing import Any

from kveraser_core.documents.pdf.fonts import Font

Matrix = tuple[float, float, float, float, float, float]
UNIT: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass
class State:
    """The graphics state, as far as text depends on it."""

    to_page: Matrix = UNIT
    font: Font | None = None
    size: float = 1.0
    character_space: float = 0.0
    word_space: float = 0.0
    stretch: float = 1.0
    leading: float = 0.0
    rise: float = 0.0
    mode: int = 0
    white: bool = False
    opacity: float = 1.0

    def copy(self) -> "State":
        return State(**self.__dict__)


def times(m: Matrix, n: Matrix) -> Matrix:
    """First `m`, then `n`."""
    return (
        m[0] * n[0] + m[1] * n[2], m[0] * n[1] + m[1] * n[3],
        m[2] * n[0] + m[3] * n[2], m[2] * n[1] + m[3] * n[3],
        m[4] * n[0] + m[5] * n[2] + n[4], m[4] * n[1] + m[5] * n[3] + n[5],
    )  # fmt: skip


def numbers(operands: Any) -> Matrix:
    a, b, c, d, e, f = (float(number) for number in operands[-6:])
    return a, b, c, d, e, f
