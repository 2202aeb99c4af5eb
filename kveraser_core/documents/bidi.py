"""Lines of Hebrew and Arabic as a page has them, from left to right, in the order in which they are read."""

import re
import unicodedata

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_STRONG = {"L": "L", "R": "R", "AL": "R", "EN": "N", "AN": "N"}


def is_right_to_left(line: str) -> bool:
    """Whether more of its letters run to the left than to the right."""
    if line.isascii():
        return False
    left = len(_RIGHT_TO_LEFT.findall(line))
    return left > 0 and 2 * left >= sum(map(str.isalpha, line))


def as_read(line: str) -> str:
    """A line in the order of its places, from the left, in the order in which it is read.

    Unicode's rules (UAX 9) backwards: the line is turned around, and numbers and words of other scripts are turned
    around again, each with the marks between its parts.
    """
    if not _RIGHT_TO_LEFT.search(line):
        return line
    kinds = [_STRONG.get(unicodedata.bidirectional(letter), " ") for letter in line]
    main = "R" if is_right_to_left(line) else "L"
    parts = _parts(line, kinds, main)
    turned = [_turned(text) if kind == "R" else text for kind, text in parts]
    return "".join(reversed(turned) if main == "R" else turned)


def _parts(line: str, kinds: list[str], main: str) -> list[tuple[str, str]]:
    """Stretches that run one way. What has none goes with its neighbours if they agree, else with the line."""
    ways = ["R" if kind == "R" else "L" if kind in "LN" else " " for kind in kinds]
    at = 0
    while at < len(ways):
        end = at
        while end < len(ways) and ways[end] == " ":
            end += 1
        if end > at:
            before, after = ways[at - 1] if at else main, ways[end] if end < len(ways) else main
            ways[at:end] = [before if before == after else main] * (end - at)
        at = max(end, at + 1)
    parts: list[tuple[str, str]] = []
    for letter, way in zip(line, ways, strict=True):
        if parts and parts[-1][0] == way:
            parts[-1] = way, parts[-1][1] + letter
        else:
            parts.append((way, letter))
    return parts


def _turned(text: str) -> str:
    """`text` from its end, each accent still after its letter."""
    clusters = re.findall(
        r"[^\u0300-\u036f\u0591-\u05c7\u064b-\u065f][\u0300-\u036f\u0591-\u05c7\u064b-\u065f]*|.", text
    )
    return "".join(reversed(clusters)).translate(_MIRRORED)
