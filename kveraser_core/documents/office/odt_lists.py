"""The numbers of the lists and headings of an OpenDocument text."""

from lxml import etree

from kveraser_core.documents.numerals import HTML as NUMERALS

TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"


class Lists:
    """Counts the items of the lists that are open, and the headings."""

    def __init__(self, roots: list[etree._Element]) -> None:
        self._styles = {
            style.get(f"{_STYLE}name", ""): _levels(style)
            for root in roots
            for style in root.iter(f"{TEXT}list-style")
        }
        outlines = [outline for root in roots for outline in root.iter(f"{TEXT}outline-style")]
        self._outline = _levels(outlines[-1]) if outlines else {}
        self._headings: dict[int, int] = {}
        self._open: list[str] = []
        self._counts: dict[str, dict[int, int]] = {}

    def begin(self, element: etree._Element) -> None:
        style = element.get(f"{TEXT}style-name") or (self._open[-1] if self._open else "")
        self._open.append(style)
        goes_on = element.get(f"{TEXT}continue-numbering") == "true" or f"{TEXT}continue-list" in element.attrib
        if not goes_on:
            self._counts.setdefault(style, {}).pop(len(self._open), None)

    def end(self) -> None:
        self._open.pop()

    def label(self, item: etree._Element) -> str:
        style, depth = self._open[-1], len(self._open)
        counts = self._counts.setdefault(style, {})
        return _counted(self._styles.get(style, {}), counts, depth, item.get(f"{TEXT}start-value"), "- ")

    def heading(self, element: etree._Element) -> str:
        """The number of the next heading, unless it is in a list or its level has none."""
        if self._open:
            return ""
        level = _number(element.get(f"{TEXT}outline-level"), 1)
        return _counted(self._outline, self._headings, level, element.get(f"{TEXT}start-value"), "")


def _levels(style: etree._Element) -> dict[int, etree._Element]:
    return {_number(level.get(f"{TEXT}level"), 1): level for level in style}


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 9 else default


def _counted(
    levels: dict[int, etree._Element], counts: dict[int, int], depth: int, start: str | None, without: str
) -> str:
    """The label of the next item at `depth`; `without` where its level has no number."""
    level = levels.get(depth)
    first = 1 if level is None else _number(level.get(f"{TEXT}start-value"), 1)
    counts[depth] = _number(start, counts.get(depth, first - 1) + 1)
    for deeper in [at for at in counts if at > depth]:
        del counts[deeper]
    if level is None or not level.get(f"{_STYLE}num-format"):
        return without
    shown = _number(level.get(f"{TEXT}display-levels"), 1)
    numbers = []
    for at in range(max(depth - shown, 0) + 1, depth + 1):
        form = levels[at].get(f"{_STYLE}num-format") if at in levels else None
        if form:
            numbers.append(NUMERALS.get(form, str)(counts.get(at, 1)))
    prefix, suffix = level.get(f"{_STYLE}num-prefix", ""), level.get(f"{_STYLE}num-suffix", "")
    return f"{prefix}{'.'.join(numbers)}{suffix} "
