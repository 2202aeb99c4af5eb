"""Finding a passage in a document as a reader would: in the folded text, at offsets of the original."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from unicodedata import category

from kveraser_core.documents.search.folding import BROKEN, DASH, DROPPED, LINE_BREAK, MARK, SPACE, WIDE, Folded, fold
from kveraser_core.documents.search.near import NearMiss, near_misses, quoted
from kveraser_core.documents.spans import Span, SpanError

_BLANK = re.compile(f"[{SPACE}{DROPPED}]*")
_HYPHENS = re.compile(f"[{DASH}{DROPPED}]*")
_LEAD = re.compile(f"[{DASH}][{DASH}{DROPPED}]*[{SPACE}{DROPPED}]*")
_TAIL = re.compile(f"[{DROPPED}]*[{DASH}](?:[{DROPPED}]*[{DASH}])*")
_LEAD_BEFORE = re.compile(f"[{SPACE}{DROPPED}]*[{DASH}](?:[{DROPPED}]*[{DASH}])*")
_DASHES = re.compile(f"[{DASH}](?:[{DROPPED}]*[{DASH}])*")
_WORD = f"(?<=[^\\W{WIDE}]|[{MARK}])"
_INSIDE = re.compile(f"{_WORD}(?=[^\\W{WIDE}])|(?<=\\d)(?=[.,]\\d)|(?<=\\d[.,])(?=\\d)")
"""A place inside a word, of a script that puts a space between words, or a number."""
_REACH = 100
"""Characters, at most, from a hyphen to the word that it stands before."""


@dataclass(frozen=True)
class Passages:
    """The places where a passage occurs, and passages that are almost it."""

    found: list[Span]
    close: list[NearMiss]


def find_passages(text: str, passage: str, *, whole_words: bool = False) -> Passages:
    """Every place where `passage` occurs, left to right, none overlapping, and the near misses.

    It is found as a reader would find it, whatever its case, its quotation marks and hyphens, and where its lines
    and pages end: see `folding`. With `whole_words` it neither begins nor ends inside a word or a number. Raises
    `SpanError` when it is blank or occurs nowhere; the message names the nearest text, if there is any.
    """
    folded, wanted = fold(text), _Wanted(passage)
    places = list(wanted.places(text, folded, whole_words))
    close = near_misses(text, folded, wanted.folded.text, [place for place, _ in places])
    if not places:
        raise _nowhere(passage, close)
    return Passages([span for _, span in places], close)


def find_text(text: str, passage: str, *, whole_words: bool = False) -> list[Span]:
    """The places that `find_passages` finds. Raises `SpanError` as it does."""
    folded, wanted = fold(text), _Wanted(passage)
    spans = [span for _, span in wanted.places(text, folded, whole_words)]
    if not spans:
        raise _nowhere(passage, near_misses(text, folded, wanted.folded.text, []))
    return spans


def _nowhere(passage: str, close: list[NearMiss]) -> SpanError:
    message = f"The document does not contain {quoted(passage)}"
    if close:
        place = close[0].span
        message += f", only {quoted(close[0].text)} at {place.start}:{place.end} ({close[0].reason})"
    return SpanError(f"{message}: copy the passage as the document has it.")


def cut_words(text: str, spans: Iterable[Span]) -> list[str]:
    """The words and numbers of `text` that begin or end outside a span that takes a part of them, each once."""
    words, reached = dict[str, None](), 0
    for place in sorted(place for span in spans for place in (span.start, span.end)):
        if place < reached or not _INSIDE.match(text, place):
            continue
        start = reached = place
        while _INSIDE.match(text, start):
            start -= 1
        while _INSIDE.match(text, reached):
            reached += 1
        words[text[start:reached]] = None
    return list(words)


class _Wanted:
    """A passage to look for. Hyphens at its edges, which could be joints in the text, are looked for there."""

    def __init__(self, passage: str) -> None:
        text = _without_end(_without_end(passage, _BLANK)[::-1], _BLANK)[::-1]
        if not text:
            raise SpanError("There is no text to look for: give at least one word of the passage.")
        self.folded = fold(text)
        self.lead = _LEAD.match(text) if re.match(r"- ?[^\W_]", self.folded.text) else None
        self.tail = bool(re.search(r"[^\W_]-$", self.folded.text))
        if self.lead or self.tail:
            start = self.lead.end() if self.lead else 0
            core = text[start:]
            self.folded = fold(_without_end(core, _HYPHENS) if self.tail else core)

    def places(self, text: str, folded: Folded, whole_words: bool) -> Iterator[tuple[Span, Span]]:
        """Each place in the folded text, and in `text`."""
        wanted = self.folded.text
        if wanted == "-":
            yield from ((Span(0, 0), Span(*match.span())) for match in _DASHES.finditer(text))
            return
        at = folded.text.find(wanted)
        while at >= 0:
            span = self._place(text, folded, at, whole_words)
            if span:
                yield Span(at, at + len(wanted)), span
            at = folded.text.find(wanted, at + len(wanted) if span else at + 1)

    def _place(self, text: str, folded: Folded, at: int, whole_words: bool) -> Span | None:
        end = at + len(self.folded.text)
        if category(folded.text[end : end + 1] or " ")[0] == "M" or not self._joints_fit(folded, at, end):
            return None
        span = folded.original(at, end)
        if self.lead:
            before = _LEAD_BEFORE.match(text[max(0, span.start - _REACH) : span.start][::-1])
            if not before or not _same_gap(before[0], self.lead[0]):
                return None
            span = Span(span.start - before.end(), span.end)
        if self.tail:
            after = _TAIL.match(text, span.end)
            if not after:
                return None
            span = Span(span.start, after.end())
        if whole_words and (_inside(folded, at) or _inside(folded, end)):
            return None
        return span

    def _joints_fit(self, folded: Folded, at: int, end: int) -> bool:
        """Whether hyphens stand between the same letters, but for those at the ends of lines."""
        first, last = bisect_right(folded.joints, at), bisect_left(folded.joints, end)
        mine, theirs = self.folded, 0
        while first < last or theirs < len(mine.joints):
            there = folded.joints[first] - at if first < last else len(mine.text)
            here = mine.joints[theirs] if theirs < len(mine.joints) else len(mine.text)
            kinds = {folded.kinds[first] if there <= here else "", mine.kinds[theirs] if here <= there else ""}
            if len(kinds) > 1 and BROKEN not in kinds:
                return False
            first, theirs = first + (there <= here), theirs + (here <= there)
        return True


def _without_end(text: str, ending: re.Pattern[str]) -> str:
    found = ending.match(text[::-1])
    return text[: len(text) - found.end()] if found else text


def _same_gap(one: str, other: str) -> bool:
    """Whether both hyphens touch the word that they stand before, or neither; at the end of a line they may."""
    spaced = [bool(re.search(f"[{SPACE}]", hyphen)) for hyphen in (one, other)]
    return spaced[0] == spaced[1] or bool(re.search(f"[{LINE_BREAK}]", one + other))


def _inside(folded: Folded, at: int) -> bool:
    """Whether the place lies inside a word or a number of the folded text; a hyphen ends a word."""
    joint = bisect_left(folded.joints, at)
    if joint < len(folded.joints) and folded.joints[joint] == at and folded.kinds[joint] != BROKEN:
        return False
    return bool(_INSIDE.match(folded.text, at))
