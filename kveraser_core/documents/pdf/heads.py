"""Running heads, feet and page numbers: what stands at the same height of one page after the other."""

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from kveraser_core.documents.pdf.lines import Line

_EDGE = 2
_SAME_HEIGHT = 3.0
_LEAST_SHARE = 0.4
_ROOM = 1.1
_MANY = 4
_ROOM_OF_FEW = 1.7
_ROOM_IN_LEADINGS = 1.15
_TEXT = 5
_OTHER_SIZE = 0.08
"""How many lines at the top and at the bottom may be heads; how far apart they are at one height, in points; on how
many of the pages one stands; how far it is from the text, in font sizes, in many pages, from how many, in few; and,
if its size is the text's, in leadings of a page of so many lines; how much a size differs that is another."""
_NUMBER = re.compile(r"\d+|\b[ivxlc]+\b")


def without_heads(pages: Sequence[list[Line]]) -> tuple[list[list[Line]], list[str]]:
    """The pages without the lines that are repeated at their edges, and these lines, page numbers as `#`.

    A page that has nothing else keeps them.
    """
    count = sum(map(bool, pages))
    seen: dict[str, list[tuple[int, Line]]] = defaultdict(list)
    for page, lines in enumerate(pages):
        for line in _at_edges(lines, _ROOM if count >= _MANY else _ROOM_OF_FEW):
            seen[_NUMBER.sub("#", line.text)].append((page, line))
    heads: dict[str, set[int]] = defaultdict(set)
    for text, found in seen.items():
        for group in _at_one_height(found):
            if len({page for page, _ in group}) >= max(2, _LEAST_SHARE * count) and _counts(text, group):
                heads[text].update(id(line) for _, line in group)
    left_out = set().union(*heads.values())
    bodies = [[line for line in lines if id(line) not in left_out] for lines in pages]
    return [body or lines for body, lines in zip(bodies, pages, strict=True)], list(heads)


def _at_edges(lines: list[Line], least_room: float) -> list[Line]:
    """The lines that may be heads or feet: those at the top and bottom that stand apart from the others."""
    ordered = sorted(lines, key=lambda line: -line.base)
    leading = median([a.base - b.base for a, b in pairwise(ordered)]) if len(ordered) >= _TEXT else 0.0

    def apart(outer: Line, inner: Line) -> bool:
        size = max(outer.size, inner.size)
        least = least_room * size
        if abs(outer.size - inner.size) < _OTHER_SIZE * size:
            least = max(least, _ROOM_IN_LEADINGS * leading)
        return abs(outer.base - inner.base) > least

    edges: list[Line] = []
    for way in (ordered, ordered[::-1]):
        room = [apart(outer, inner) for outer, inner in pairwise(way[: _EDGE + 1])]
        edges += way[: room.index(True) + 1] if True in room else []
    return edges


def _at_one_height(found: list[tuple[int, Line]]) -> list[list[tuple[int, Line]]]:
    groups: list[list[tuple[int, Line]]] = []
    for entry in sorted(found, key=lambda entry: entry[1].base):
        if groups and entry[1].base - groups[-1][-1][1].base <= _SAME_HEIGHT:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return groups


def _counts(text: str, group: list[tuple[int, Line]]) -> bool:
    """Whether its numbers, if any, are one for all or grow from page to page: others are a table's, or dates."""
    if "#" not in text:
        return True
    columns = zip(
        *(_NUMBER.findall(line.text) for _, line in sorted(group, key=lambda entry: entry[0])), strict=False
    )
    return all(_steady([_value(number) for number in column]) for column in columns)


def _steady(values: list[int]) -> bool:
    return len(set(values)) == 1 or all(before < after for before, after in pairwise(values))


def _value(number: str) -> int:
    if number.isdigit():
        return int(number[:18])
    worth = [{"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}[letter] for letter in number]
    return sum(-a if a < b else a for a, b in zip(worth, [*worth[1:], 0], strict=True))
