"""Where the sentences of a text begin and end, in any language, with every word in one of them.

Lines come first: a heading, a bullet, a table row or a line of a log ends where its line does, full stop or not.
Lines that were only wrapped are read as one. Within those, sentencex (Wikimedia) finds the ends. It knows the full
stops of all scripts whatever language it is told, which only adds abbreviations: so the language is not looked for.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from sentencex import get_sentence_boundaries

from kveraser_core.documents.spans import Span

_LINE = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_BLANK_LINE = re.compile(r"\n\s*\n")
_MARKER = re.compile(r"(?:[-*+•‣◦▪·–—]|#{1,6}|\(?\d+(?:\.\d+)*[.)]|\(?\w[.)])\s+")
"""What a bullet, a numbered paragraph or a Markdown heading begins with."""
_ROW = re.compile(r"\||\t|\S {3,}\S")
"""What only the row of a table holds."""
_NARROWEST = 40
_FILLED = 0.85
"""Characters of the narrowest column that is taken for wrapped text, and how much of it a wrapped line fills at
least, the next word included: letters differ in width."""
_LONG_WORD = 16


def sentences(text: str) -> list[Span]:
    """The sentences of `text` in order, none overlapping; what lies between them is white space."""
    return [
        sentence
        for block in _blocks(text)
        for paragraph in _paragraphs(text, block)
        for sentence in _split(text, paragraph)
    ]


def _blocks(text: str) -> Iterator[list[Span]]:
    """The lines that hold something, those between two blank ones together."""
    block: list[Span] = []
    for match in _LINE.finditer(text):
        line = _trimmed(text, match.start(), match.end())
        if not line:
            continue
        if block and _BLANK_LINE.search(text, block[-1].end, line.start):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _paragraphs(text: str, lines: list[Span]) -> Iterator[Span]:
    """The lines of a block, wrapped ones joined."""
    width = max(len(line) for line in lines)
    start = lines[0].start
    for line, following in pairwise(lines):
        if not _wraps(text[line.start : line.end], text[following.start : following.end], width):
            yield Span(start, line.end)
            start = following.start
    yield Span(start, lines[-1].end)


def _wraps(line: str, following: str, width: int) -> bool:
    """Whether `following` goes on with `line`: its first word had no room left in a column that wide."""
    if width < _NARROWEST or _MARKER.match(following) or _ROW.search(line) or _ROW.search(following):
        return False
    word = min(len(following.split(maxsplit=1)[0]), _LONG_WORD)
    return not line.startswith("#") and len(line) + 1 + word > _FILLED * width


def _split(text: str, paragraph: Span) -> Iterator[Span]:
    """The sentences of a paragraph. The marker of a list goes with the first one."""
    marker = _MARKER.match(text, paragraph.start, paragraph.end)
    after = marker.end() if marker else paragraph.start
    start = paragraph.start
    for boundary in get_sentence_boundaries("en", text[after : paragraph.end]):
        end = after + boundary["end_index"]
        if sentence := _trimmed(text, start, end):
            yield sentence
        start = end


def _trimmed(text: str, start: int, end: int) -> Span | None:
    """The range without white space around it; nothing if there is nothing else."""
    part = text[start:end]
    if not part.strip():
        return None
    return Span(start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip()))
