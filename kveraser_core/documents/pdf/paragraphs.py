"""From lines to text as it is read: lines joined into paragraphs, and hyphens at their ends undone.

Lines are joined where the first word of the next one would not have had room, or where a sentence plainly goes on;
headings, items of lists, rows of tables, short lines and typewriter text stay lines of their own.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

from kveraser_core.documents.pdf.lines import Line

_SAME_SIZE = 0.08
_USUAL_LEADING = 1.2
_APART = 1.15
_ROWS_APART = 2.5
_PARAGRAPH_GAP = 1.4
_INDENT = 0.8
_PART = 6
_FULL = 10
_NEAR = 8
"""How far sizes in a paragraph differ; the leading where no other is seen, in font sizes; how many usual leadings are
shown as a blank line, how many between rows of a table, and how many end a paragraph; what is an indent, and the
least width of a line that goes on in a small letter, and of a full one, in font sizes; how many lines around one tell
where its margin is."""
_ITEM = re.compile(r"([•▪◦‣·–—*➢✓-]|\(?(\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)])\s")
_ENDS = re.compile(r"[.!?:;。！？：；][\"'”’»)\]]*$")
_HYPHEN = re.compile(r"([^\W\d_]+)([-\u2010\u00ad])$")
_WORD = re.compile(r"[^\W\d_]+(?:[-\u2010][^\W\d_]+)*+(?![-\u2010\u00ad]$)")
_SHORTEST_PART = 3
_WIDE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")


def words_within(lines: Iterable[Line]) -> set[str]:
    """The words that no end of a line cuts, in small letters, those with a hyphen whole."""
    return {word for line in lines for word in _WORD.findall(line.text.lower().replace("\u2010", "-"))}


def paragraphs(lines: Sequence[Line], words: set[str]) -> str:
    """The text of a page's lines, with blank lines between paragraphs and tabs between cells.

    Whether a hyphen at the end of a line stays is told by the document's other `words`.
    """
    if not lines:
        return ""
    leading = _leading(lines)
    parts, first = [lines[0].text], lines[0]
    for at, (before, line) in enumerate(pairwise(lines), 1):
        if _ends(before, line, leading, _margin(lines, at - 1), first):
            rows = len(before.cells) > 1 and len(line.cells) > 1
            near = 0 < before.base - line.base < (_ROWS_APART if rows else _APART) * leading
            parts += ["\n" if near and _same_size(before, line) else "\n\n", line.text]
            first = line
        else:
            parts[-1], joint = _joint(parts[-1], line.text, words)
            parts += [joint, line.text]
    return "".join(parts)


def _ends(before: Line, line: Line, leading: float, margin: float, first: Line) -> bool:
    """Whether `before` ends what it belongs to: a paragraph, which began at `first`, or something of one line."""
    gap = before.base - line.base
    if len(before.cells) > 1 or len(line.cells) > 1 or before.monospaced or line.monospaced:
        return True
    if not _same_size(before, line) or gap > _PARAGRAPH_GAP * leading or _ITEM.match(line.text):
        return True
    hyphen = _HYPHEN.search(before.text) and line.text[0].isalpha()
    width = before.end - before.start
    unfinished = line.text[0].islower() and not _ENDS.search(before.text) and width > _PART * before.size
    goes_on = bool(hyphen) or unfinished
    if goes_on or gap <= 0:  # from one column to the next a paragraph only goes on where that is plain
        return not goes_on
    indent = line.start - before.start
    if indent > _INDENT * line.size and not _ITEM.match(before.text):
        return True
    if indent < -_INDENT * line.size and first is not before:
        return True
    return before.end + _first_word(line) < margin or width < _FULL * before.size


def _joint(text: str, following: str, words: set[str]) -> tuple[str, str]:
    """`text` as it is before `following`, and what stands between them."""
    if hyphen := _HYPHEN.search(text):
        start = re.match(r"[^\W\d_]*", following)
        parts = hyphen[1].lower(), start[0].lower() if start else ""
        keep = hyphen[2] != "\u00ad" and (not following[0].islower() or _has_a_hyphen(parts, words))
        return (text if keep else text[:-1]), ""
    return text, "" if _WIDE.match(text[-1]) and _WIDE.match(following[0]) else " "


def _has_a_hyphen(parts: tuple[str, str], words: set[str]) -> bool:
    """Whether a word in two parts is one with a hyphen: as the document has it, or else if both are words of it."""
    if "-".join(parts) in words or "".join(parts) in words:
        return "-".join(parts) in words
    return all(part in words and len(part) >= _SHORTEST_PART for part in parts)


def _same_size(before: Line, line: Line) -> bool:
    return abs(before.size - line.size) <= _SAME_SIZE * line.size


def _leading(lines: Sequence[Line]) -> float:
    gaps = [
        before.base - line.base
        for before, line in pairwise(lines)
        if _same_size(before, line) and 0 < before.base - line.base < 2 * line.size
    ]
    return median(gaps) if gaps else _USUAL_LEADING * lines[0].size


def _margin(lines: Sequence[Line], at: int) -> float:
    """Where the lines around `lines[at]` end, those that begin near where it does."""
    line = lines[at]
    near = lines[max(at - _NEAR, 0) : at + _NEAR + 1]
    alike = [other for other in near if _same_size(other, line) and abs(other.start - line.start) < 3 * line.size]
    return max(other.end for other in alike)


def _first_word(line: Line) -> float:
    """The width of its first word and the space before it, where all its letters are of one width."""
    word = 1 if _WIDE.match(line.text) else len(line.text.split(maxsplit=1)[0]) + 1
    return (line.end - line.start) * word / len(line.text)
