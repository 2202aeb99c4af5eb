"""Columns that are drawn line by line, across the page, read one after the other."""

from kveraser_core.documents.pdf.lines import Line

_BLOCK_GAP = 2.6
_ALIGNED = 2.0
"""In font sizes: the leading after which a block of lines ends, and how far the starts of a column's lines differ."""
_WORDS = 3.5
"""How many words there are in a column's line, where a cell of a table has fewer."""


def columns_in_turn(lines: list[Line]) -> tuple[list[Line], bool]:
    """`lines` with those side by side read column by column, and whether there were such."""
    done: list[Line] = []
    found = False
    for block in _blocks(lines):
        columns = _columns(block)
        found = found or bool(columns)
        done += columns or block
    return done, found


def _blocks(lines: list[Line]) -> list[list[Line]]:
    """Lines below each other that have as many cells."""
    blocks: list[list[Line]] = []
    for line in lines:
        last = blocks[-1][-1] if blocks else None
        if last and len(last.cells) == len(line.cells) and 0 < last.base - line.base < _BLOCK_GAP * line.size:
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return blocks


def _columns(block: list[Line]) -> list[Line]:
    """The lines of a block column by column; empty where its cells are no columns of running text."""
    count = len(block[0].cells)
    if count < 2 or len(block) < 3:
        return []
    for at in range(count):
        cells = [line.cells[at] for line in block]
        starts = [cell.left for cell in cells]
        words = sum(len(cell.text.split()) for cell in cells) / len(cells)
        if max(starts) - min(starts) > _ALIGNED * block[0].size or words < _WORDS:
            return []
    return [Line([line.cells[at]], line.base, line.size, line.monospaced) for at in range(count) for line in block]
