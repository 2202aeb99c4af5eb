"""From runs of text to lines: what stands on one base line, in cells where gaps are wider than between words."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

from kveraser_core.documents.bidi import as_read, is_right_to_left
from kveraser_core.documents.pdf.content import Run
from kveraser_core.documents.scripts import lowered, raised

_WORD_GAP = 0.13
_CELL_GAP = 1.5
_SAME_LINE = 0.3
_SAME_BASE = 0.1
_RAISED = 0.6
_LOOK_BACK = 0.8
"""In font sizes: gaps between words and between cells; how far bases of one line differ, those of cells and of raised
letters too; and how near a run must be to be put into a line that was drawn before."""
_SMALLER = 0.85
_SCRIPTS = 3
"""How many letters above and below the line there may be for one on it."""
_LIFT, _DROP = 0.2, 0.08
"""How much smaller letters are that are set above or below the line, and how far, in font sizes."""
_PRESENTED = re.compile("[\ufb00-\ufdff\ufe70-\ufefc]+")


@dataclass
class Cell:
    text: str
    left: float
    right: float


@dataclass
class Line:
    """A line of a page: its cells from left to right, its base and the size of most of its letters, in points.

    Its cells do not change once it was asked for more.
    """

    cells: list[Cell]
    base: float
    size: float
    monospaced: bool = False

    @cached_property
    def right_to_left(self) -> bool:
        return is_right_to_left("".join(cell.text for cell in self.cells))

    @cached_property
    def text(self) -> str:
        cells = [cell.text for cell in self.cells]
        return "\t".join(reversed(cells) if self.right_to_left else cells)

    @cached_property
    def start(self) -> float:
        """Where it begins, in points in the direction in which it is read."""
        return -self.cells[-1].right if self.right_to_left else self.cells[0].left

    @cached_property
    def end(self) -> float:
        return -self.cells[0].left if self.right_to_left else self.cells[-1].right


def lines_of(runs: list[Run]) -> list[Line]:
    """The lines of a page, in the order in which they are drawn; those at an angle come last."""
    lines: list[Line] = []
    for angle in sorted({run.angle for run in runs}, key=lambda angle: angle != 0):
        lines += filter(None, map(_line, _rows([run for run in runs if run.angle == angle])))
    return lines


def _rows(runs: list[Run]) -> list[list[Run]]:
    rows: list[list[Run]] = []
    for run in runs:
        row = rows[-1] if rows else None
        if row and (_on_line(row, run) or _raised(row[-1], run)):
            row.append(run)
        elif earlier := next((row for row in reversed(rows[:-1]) if _fits_in(row, run)), None):
            earlier.append(run)
        else:
            rows.append([run])
    return rows


def _on_line(row: list[Run], run: Run) -> bool:
    """Whether `run` has the base of a line; one beside a gap, such as in another column, must have it closely."""
    gap = max(run.left - row[-1].right, row[-1].left - run.right)
    differ = _SAME_LINE if gap <= _CELL_GAP * run.size else _SAME_BASE
    return min(abs(run.base - row[0].base), abs(run.base - row[-1].base)) <= differ * min(run.size, row[0].size)


def _raised(before: Run, run: Run) -> bool:
    """Whether `run` goes on where `before` ends, one of them a number above or below the line."""
    most = max(before.size, run.size)
    near = -0.2 * most <= run.left - before.right <= _WORD_GAP * 2 * most
    return near and abs(run.base - before.base) <= _RAISED * most and min(before.size, run.size) < _SMALLER * most


def _fits_in(row: list[Run], run: Run) -> bool:
    """Whether `run` has its place in a line drawn before: as large as that, beside one of its runs, and over none."""
    differ = max(abs(run.base - row[0].base), abs(run.size - row[0].size))
    if differ > _SAME_BASE * run.size:
        return False
    gaps = [max(run.left - other.right, other.left - run.right) for other in row]
    return -_WORD_GAP * run.size <= min(gaps) <= _LOOK_BACK * run.size


def _line(row: list[Run]) -> Line | None:
    sizes = Counter[float]()
    for run in row:
        sizes[run.size] += len(run.text.strip())
    size = sizes.most_common(1)[0][0]
    size = max(other for other, letters in sizes.items() if _SCRIPTS * letters >= sizes[size])
    base = next(run.base for run in row if run.size == size)
    cells: list[Cell] = []
    last: Run | None = None
    for run in _at_heights(row, base, size):
        text = run.text
        gap = run.left - last.right if last else 0.0
        if not text.strip() and cells:
            if gap < size and not cells[-1].text.endswith(" "):
                cells[-1].text += " "
        elif cells and gap <= _CELL_GAP * size:
            space = gap > _WORD_GAP * size and cells[-1].text[-1:] != " " != text[:1]
            cells[-1].text += " " + text if space else text
            cells[-1].right = run.right
        elif text.strip():
            cells.append(Cell(text, run.left, run.right))
        last = run
    for cell in cells:
        cell.text = re.sub(r"\s+", " ", as_read(_presented(cell.text))).strip()
    cells = [cell for cell in cells if cell.text]
    return Line(cells, base, size, all(run.monospaced for run in row)) if cells else None


def _at_heights(row: list[Run], base: float, size: float) -> Iterator[Run]:
    """The runs from left to right, those above and below the line written as such, so that 10⁵ is not 105."""

    def height(run: Run) -> int:
        lift = (run.base - base) / size if run.size < _SMALLER * size else 0.0
        return 1 if lift >= _LIFT else -1 if lift <= -_DROP else 0

    runs: list[Run] = []
    for run in sorted(row, key=lambda run: run.left):
        if runs and run.text == runs[-1].text and abs(run.left - runs[-1].left) < 0.1 * size:
            continue  # drawn twice, for bold letters
        runs.append(run)
    for level, group in groupby(runs, key=height):
        if level == 0:
            yield from group
            continue
        together: list[Run] = []
        for run in group:
            if together and run.left - together[-1].right <= _WORD_GAP * size:
                together[-1] = replace(together[-1], text=together[-1].text + run.text, right=run.right)
            else:
                together.append(run)
        for run in together:
            yield replace(run, text=(raised if level > 0 else lowered)(run.text))


def _presented(text: str) -> str:
    """Ligatures and the shapes of Arabic letters as the letters they show."""
    if text.isascii():
        return text
    return _PRESENTED.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
