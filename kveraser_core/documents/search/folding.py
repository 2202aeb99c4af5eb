"""Text folded for comparing: what a reader takes for the same text becomes the same, with a map back.

Folded are case, normal forms (NFKC: accents of two characters, ligatures, full width), quotation marks, dashes and
runs of white space. Invisible characters and white space between Chinese or Japanese characters are dropped. A hyphen
between two letters or digits leaves the text and becomes a joint, since at the end of a line nobody can know whether
it belongs to the word. Superscript digits stay apart, 10⁵ is not 105; subscripts do not, CO₂ is CO2. The page folds
by the same `RULES`.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import groupby
from typing import NamedTuple
from unicodedata import category, is_normalized, normalize

from kveraser_core.documents.spans import Span

SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))
LINE_BREAK = "\n\r\v\f\x85\u2028\u2029"
DASH = "\\-‐‑‒–—―−⸺⸻﹘﹣－"
JOINER = "\u200d"
SOFT_HYPHEN = "\u00ad"
LOOSE = SOFT_HYPHEN + "\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
"""Invisible characters that belong to no other: dropped."""
EXTENDING = JOINER + "\u034f\u180b-\u180d\u180f\u200c\ufe00-\ufe0f\U000e0020-\U000e007f\U000e0100-\U000e01ef"
"""Invisible characters that belong to the one before: dropped from the folded text, never cut off."""
DROPPED = LOOSE + EXTENDING
EMOJI = "\u00a9\u00ae\u2190-\u2bff\U0001f000-\U0001faff"
WIDE = "\u2e80-\u30ff\u31f0-\u9fff\uf900-\ufaff！（），：；？｡-\uff9f\U00020000-\U0003ffff"
"""Characters of scripts that put no space between words."""
_TAILS = "\u1160-\u11ff\ud7b0-\ud7fb\u3131-\u318e\uffa1-\uffdc\uff9e\uff9f\U0001f3fb-\U0001f3ff"
"""Composed with the character before though no marks: Korean letters, half-width voicing, skin tones."""


def _marks() -> str:
    """Combining marks that are not dropped, as ranges."""
    dropped = re.compile(f"[{DROPPED}]")
    places = [c for c in range(0x300, 0x1F000) if category(chr(c))[0] == "M" and not dropped.match(chr(c))]
    runs = groupby(enumerate(places), lambda entry: entry[1] - entry[0])
    ranges = [[place for _, place in run] for _, run in runs]
    return "".join(f"{chr(run[0])}-{chr(run[-1])}" for run in ranges)


MARK = _marks() + _TAILS
_APART = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾"
TABLE = (
    dict.fromkeys("`´‘’‚‛′‵ʹʻʼʽˈ‹›❛❜＇｀", "'")
    | dict.fromkeys("“”„‟″‶«»〝〞〟❝❞＂", '"')
    | dict.fromkeys(DASH.removeprefix("\\"), "-")
    | dict.fromkeys("⁄∕", "/")
    | {"İ": "i", "ς": "σ", "ß": "ss", "ẞ": "ss"}
    | {character: chr(0xF0000 + ord(character)) for character in _APART}
)
RULES: dict[str, object] = {
    "table": TABLE,
    "space": SPACE,
    "lineBreak": LINE_BREAK,
    "dash": DASH,
    "dropped": DROPPED,
    "loose": LOOSE,
    "extending": EXTENDING,
    "emoji": EMOJI,
    "wide": WIDE,
    "tails": _TAILS,
}
"""What the page's script folds by; strings are the insides of character classes."""

_TRANSLATED = str.maketrans(TABLE)
LEVEL = str.maketrans({TABLE[character]: normalize("NFKC", character) for character in _APART})
"""From what superscript digits are folded to, to digits on the line."""
_TABLED = re.compile(f"[{''.join(TABLE)}]".replace("-", "\\-"))
_TAIL = re.compile(f"(?:[{LOOSE}]*(?:[{MARK}{EXTENDING}]|(?<={JOINER})[{EMOJI}]))+")
_BREAK = re.compile(f"[{DROPPED}]*(?P<dash>(?:[{DASH}][{DROPPED}]*)*)(?P<space>[{SPACE}{DROPPED}]*)")
_PIECE = re.compile(
    f"(?P<dash>[{DASH}](?:[{DROPPED}]*[{DASH}])*)|(?P<space>[{SPACE}](?:[{DROPPED}]*[{SPACE}])*)"
    f"|[{DROPPED}]+|(?P<rest>[^{DASH}{SPACE}{DROPPED}]+)"
)
_SPACES, _LINE_BREAKS, _WIDE, _DROPPED = (re.compile(f"[{inside}]") for inside in (SPACE, LINE_BREAK, WIDE, DROPPED))

JOINED, SPACED, BROKEN = "joined", "spaced", "broken"
"""Kinds of joints: a hyphen; a hyphen and a blank; a hyphen at the end of a line, which can be either or none."""


@dataclass
class Folded:
    """`text`, folded, and where each of its characters comes from.

    Segments begin at `starts` of the folded text and `origins` of the original. One whose `ends` is 0 was folded
    character by character; any other is a whole that ends there. `joints` are places in the folded text
    where a hyphen stood, ascending, and `kinds` theirs.
    """

    text: str = ""
    starts: list[int] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    joints: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    def original(self, start: int, end: int) -> Span:
        """The original of `start` to `end` of the folded text, not empty, rounded out to whole characters."""
        first, last = bisect_right(self.starts, start) - 1, bisect_right(self.starts, end - 1) - 1
        begin = self.origins[first] + (0 if self.ends[first] else start - self.starts[first])
        return Span(begin, self.ends[last] or self.origins[last] + end - self.starts[last])


def fold(text: str) -> Folded:
    """`text` folded, in time linear in its length."""
    return _Folding(text).run()


class _Folding:
    """Goes through a text once, from one run of marks, hyphens and white space to the next."""

    def __init__(self, text: str) -> None:
        self.text, self.made = text, Folded()
        self.pieces: list[str] = []
        self.length, self.last = 0, " "

    def run(self) -> Folded:
        at = 0
        for found in _runs_of(self.text).finditer(self.text):
            start, end = found.span()
            run = _parsed(found[0]) if end - start < _LONG else _Run.of(found[0])
            if run.tail:
                base = max(at, start - 1)
                self._stretch(at, base)
                self._whole(base, start + run.tail, _folded(self.text[base : start + run.tail]))
            else:
                self._stretch(at, start)
            if start + run.tail < end:
                self._break(start, end, run)
            at = end
        self._stretch(at, len(self.text))
        self.made.text = "".join(self.pieces)
        return self.made

    def _stretch(self, start: int, end: int) -> None:
        """Characters that are folded one by one."""
        stretch = self.text[start:end]
        folded = _plain(stretch)
        if len(folded) == len(stretch):
            self._linear(start, folded)
            return
        for at, character in enumerate(stretch, start):
            self._whole(at, at + 1, _folded(character))

    def _break(self, start: int, end: int, run: "_Run") -> None:
        """Hyphens and white space: a joint, nothing, or one of each."""
        after = self.text[end : end + 1]
        if run.joint and self.last.isalnum() and _folded(after)[:1].isalnum():
            self.made.joints.append(self.length)
            self.made.kinds.append(run.joint)
        elif not (run.blank and start and _WIDE.match(self.text[start - 1]) and _WIDE.match(after)):
            for first, last, folded in run.pieces:
                self._whole(start + first, start + last, folded)

    def _whole(self, start: int, end: int, folded: str) -> None:
        if len(folded) == end - start == 1:
            self._linear(start, folded)
        else:
            self._add(start, end, folded)

    def _linear(self, start: int, folded: str) -> None:
        made = self.made
        if made.ends and not made.ends[-1] and start - made.origins[-1] == self.length - made.starts[-1]:
            self._append(folded)
        elif folded:
            self._add(start, 0, folded)

    def _add(self, start: int, end: int, folded: str) -> None:
        self.made.starts.append(self.length)
        self.made.origins.append(start)
        self.made.ends.append(end)
        self._append(folded)

    def _append(self, folded: str) -> None:
        if folded:
            self.pieces.append(folded)
            self.length += len(folded)
            self.last = folded[-1]


class _Run(NamedTuple):
    """Marks, hyphens, white space and invisible characters, one after the other.

    `tail` characters of it belong to the character before. `joint` is what kind of joint the rest is between letters,
    or empty; it is `blank` where it has no hyphen. `pieces` are its places with what they fold to.
    """

    tail: int
    joint: str
    blank: bool
    pieces: tuple[tuple[int, int, str], ...]

    @classmethod
    def of(cls, run: str) -> "_Run":
        tail = _TAIL.match(run)
        start = tail.end() if tail else 0
        found = _BREAK.fullmatch(run, start)
        joint = ""
        if found:
            broken = _LINE_BREAKS.search(found["space"])
            if found["dash"] or (broken and SOFT_HYPHEN in run):
                joint = BROKEN if broken else SPACED if _SPACES.search(found["space"]) else JOINED
        pieces = tuple(
            (*piece.span(), "-" if piece["dash"] else " " if piece["space"] else _folded(piece["rest"]))
            for piece in _PIECE.finditer(run, start)
            if piece.lastgroup
        )
        return cls(start, joint, bool(found and not found["dash"]), pieces)


_LONG = 100
_parsed = lru_cache(maxsize=4096)(_Run.of)


def _runs_of(text: str) -> re.Pattern[str]:
    """What finds the runs of `text`; the fewer characters there are to look for, the faster."""
    if text.isascii():
        return _run_pattern("ascii")
    return _run_pattern("utf-16" if len(text.encode("utf-16-le", "surrogatepass")) > 2 * len(text) else "ucs-2")


@cache
def _run_pattern(within: str) -> re.Pattern[str]:
    inside, emoji = MARK + DROPPED + DASH + SPACE.replace(" ", ""), f"|(?<={JOINER})[{EMOJI}]"
    beyond = {"ascii": "\x80-\U0010ffff", "ucs-2": "\U00010000-\U0010ffff", "utf-16": ""}[within]
    if beyond:
        inside = re.sub(f"[{beyond}](?:-[{beyond}])?", "", inside)
        emoji = "" if within == "ascii" else re.sub(f"[{beyond}](?:-[{beyond}])?", "", emoji)
    return re.compile(f"(?: [ {inside}]|[{inside}])(?:[ {inside}]{emoji})*")


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower().replace("`", "'")
    if not _TABLED.search(text):
        lower = text.lower().replace("ς", "σ")
        if is_normalized("NFKC", lower):
            return lower
    composed = normalize("NFKC", text.translate(_TRANSLATED)).translate(_TRANSLATED)
    return normalize("NFKC", composed.lower()).translate(_TRANSLATED)


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    """One character with its marks, folded. An accent that stands alone, which NFKC puts on a blank, stays."""
    visible = _DROPPED.sub("", character)
    folded = _plain(visible)
    return visible if folded[:1] == " " else folded
