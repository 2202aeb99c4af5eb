"""The styles of a Word document, and the numbers and bullets that Word puts before its paragraphs."""

import re
from functools import cache
from typing import NamedTuple

from lxml import etree

from kveraser_core.documents.numerals import WORD as FORMATS

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
VAL = f"{W}val"


def value(parent: etree._Element | None, path: str) -> str | None:
    """The `w:val` at `path`; an empty one where the element has none, `None` where there is no element."""
    found = None if parent is None else parent.find(_tags(path))
    return None if found is None else found.get(VAL, "")


@cache
def _tags(path: str) -> str:
    return "/".join(W + name for name in path.split("/"))


def number(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch(r"-?\d{1,9}", text) else default


class Styles:
    """What styles say of their runs and paragraphs, each with those that it is based on."""

    def __init__(self, root: etree._Element | None) -> None:
        elements = [] if root is None else root.findall(f"{W}style")
        self._styles = {style.get(f"{W}styleId", ""): style for style in elements}
        self._defaults = None if root is None else root.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr")
        self._plain = next(
            (
                style.get(f"{W}styleId")
                for style in elements
                if style.get(f"{W}type") == "paragraph" and style.get(f"{W}default") in {"1", "true", "on"}
            ),
            None,
        )
        self.of_style, self.of_paragraph = cache(self._of_style), cache(self._of_paragraph)

    def of_run(self, properties: etree._Element | None, paragraph_style: str | None, name: str) -> str | None:
        """What holds for a run: by itself, its style, its paragraph's, or the defaults."""
        own = value(properties, name)
        if own is not None:
            return own
        style = value(properties, "rStyle")
        found = self.of_style(style, f"rPr/{name}") if style else None
        return self.of_paragraph(paragraph_style, name) if found is None else found

    def _of_paragraph(self, style: str | None, name: str) -> str | None:
        """What holds for the runs of a paragraph that say nothing themselves."""
        style = style or self._plain
        found = self.of_style(style, f"rPr/{name}") if style else None
        return value(self._defaults, name) if found is None else found

    def _of_style(self, style: str, path: str) -> str | None:
        """What the style says at `path`, or one that it is based on."""
        seen: set[str] = set()
        while style in self._styles and style not in seen:
            seen.add(style)
            found = value(self._styles[style], path)
            if found is not None:
                return found
            style = value(self._styles[style], "basedOn") or ""
        return None

    def list_of(self, paragraph: etree._Element | None) -> tuple[str, int | None, str] | None:
        """The list and level that a paragraph is in, `None` for the level of its style, and that style."""
        style = value(paragraph, "pStyle") or self._plain or ""
        own, level = value(paragraph, "numPr/numId"), value(paragraph, "numPr/ilvl")
        if own is None:
            own, level = self.of_style(style, "pPr/numPr/numId"), level or self.of_style(style, "pPr/numPr/ilvl")
        elif level is None:
            level = self.of_style(style, "pPr/numPr/ilvl") or "0"
        return (own, None if level is None else number(level, 0), style) if own and own != "0" else None


class _Level(NamedTuple):
    start: int
    format: str
    text: str
    restart: int | None
    legal: bool
    gap: str
    style: str | None


class Numbering:
    """Counts the paragraphs of each list."""

    def __init__(self, root: etree._Element | None, styles: Styles) -> None:
        self._styles = styles
        self._abstract = {} if root is None else _by_id(root, "abstractNum", "abstractNumId")
        self._nums = {} if root is None else _by_id(root, "num", "numId")
        self._counts: dict[str, dict[int, int]] = {}
        self._begun: set[tuple[str, int]] = set()
        self.unknown: set[str] = set()
        self._list = cache(self._read_list)

    def label(self, num: str, level: int | None, style: str) -> str:
        """The number or bullet of the next paragraph of this list, with what follows it."""
        abstract, levels, starts = self._list(num)
        if level is None:
            level = next((at for at, one in levels.items() if one.style == style), 0)
        if level not in levels:
            return ""
        own, counts = levels[level], self._counts.setdefault(abstract, {})
        start = starts.get(level, own.start)
        if level in starts and (num, level) not in self._begun:
            self._begun.add((num, level))
            counts.pop(level, None)
        counts[level] = counts.get(level, start - 1) + 1
        for deeper in [at for at in counts if at > level]:
            restart = levels[deeper].restart if deeper in levels else None
            if restart is None or level < restart:
                del counts[deeper]
        if own.format == "bullet":
            return f"-{own.gap}" if own.text else ""
        if own.format not in FORMATS:
            self.unknown.add(own.format)

        def shown(found: re.Match[str]) -> str:
            at = int(found[1]) - 1
            one = levels.get(at)
            if one is None:
                return ""
            count = counts.get(at, starts.get(at, one.start))
            return str(count) if own.legal else FORMATS.get(one.format, str)(count)

        text = re.sub(r"%([1-9])", shown, own.text)
        return text + own.gap if text else ""

    def _read_list(self, num: str) -> tuple[str, dict[int, _Level], dict[int, int]]:
        """The list's id, its levels, and where this use of it starts them anew."""
        used = self._nums.get(num)
        abstract = value(used, "abstractNumId") or ""
        base = self._abstract.get(abstract)
        for _ in range(9):  # a list may be that of a style
            linked = value(base, "numStyleLink")
            if not linked:
                break
            through = self._styles.of_style(linked, "pPr/numPr/numId") or ""
            abstract = value(self._nums.get(through), "abstractNumId") or ""
            base = self._abstract.get(abstract)
        levels = _levels(base)
        starts = {}
        for override in [] if used is None else used.findall(f"{W}lvlOverride"):
            levels |= _levels(override)
            at, start = number(override.get(f"{W}ilvl"), 0), value(override, "startOverride")
            if start is not None:
                starts[at] = number(start, 1)
        return abstract, levels, starts


def _by_id(root: etree._Element, tag: str, name: str) -> dict[str, etree._Element]:
    return {each.get(W + name, ""): each for each in root.findall(W + tag)}


def _levels(parent: etree._Element | None) -> dict[int, _Level]:
    found = [] if parent is None else parent.findall(f"{W}lvl")
    return {number(level.get(f"{W}ilvl"), 0): _level(level) for level in found}


def _level(level: etree._Element) -> _Level:
    restart, legal = value(level, "lvlRestart"), value(level, "isLgl")
    return _Level(
        start=number(value(level, "start"), 0 if value(level, "start") is None else 1),
        format=value(level, "numFmt") or "decimal",
        text=value(level, "lvlText") or "",
        restart=None if restart is None else number(restart, 0),
        legal=legal is not None and legal not in {"0", "false", "off"},
        gap="" if value(level, "suff") == "nothing" else " ",
        style=value(level, "pStyle"),
    )
