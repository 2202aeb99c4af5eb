"""The text of an OpenDocument text: headings, paragraphs, lists, tables, notes and text boxes in order."""

from collections.abc import Iterator

from bs4 import BeautifulSoup
from lxml import etree

from kveraser_core.documents.beside import COMMENTS, DELETED, HIDDEN, READINGS, running_texts
from kveraser_core.documents.formats import Extract
from kveraser_core.documents.office.odt_lists import TEXT as T
from kveraser_core.documents.office.odt_lists import Lists
from kveraser_core.documents.office.package import Package
from kveraser_core.documents.scripts import lowered, raised
from kveraser_core.documents.web.html_math import equation

_OFFICE, _STYLE, _DRAW, _TABLE = (
    f"{{urn:oasis:names:tc:opendocument:xmlns:{name}:1.0}}" for name in ("office", "style", "drawing", "table")
)
_LINK = "{http://www.w3.org/1999/xlink}href"
_NO_TEXT = {
    f"{T}tracked-changes", f"{T}sequence-decls", f"{T}variable-decls", f"{T}user-field-decls", f"{T}note-citation",
    f"{T}hidden-text", f"{T}ruby-text", f"{T}change", f"{_OFFICE}forms", f"{_OFFICE}event-listeners",
}  # fmt: skip
_TABLE_PARTS = {f"{_TABLE}{name}" for name in ("table-header-rows", "table-rows", "table-row-group")}


def odt_text(package: Package) -> Extract:
    """What a reader sees. Headers and footers are read once each. Raises anything in a broken file."""
    content = package.tree("content.xml")
    styles = package.tree("styles.xml") if "styles.xml" in package else etree.Element("none")
    body = content.find(f"{_OFFICE}body/{_OFFICE}text")
    if body is None:
        raise ValueError("content.xml has no text")
    reader = _Reader(package, [styles, content])
    blocks = [*reader.beside(styles, "header"), *reader.read(body)]
    blocks += [*reader.notes(reader.endnotes), *reader.beside(styles, "footer")]
    return Extract(["\n\n".join(blocks)], list(reader.said))


class _Reader:
    def __init__(self, package: Package, roots: list[etree._Element]) -> None:
        self.package = package
        self.said: dict[str, None] = {}
        self.lists = Lists(roots)
        self.footnotes: list[tuple[str, etree._Element]] = []
        self.endnotes: list[tuple[str, etree._Element]] = []
        self.boxes: list[etree._Element] = []
        self.positions: dict[str, str] = {}
        self.hidden: set[str] = set()
        for style in (one for root in roots for one in root.iter(f"{_STYLE}style")):
            self._note_style(style)

    def _note_style(self, style: etree._Element) -> None:
        name, properties = style.get(f"{_STYLE}name", ""), style.find(f"{_STYLE}text-properties")
        if properties is not None:
            self.positions[name] = properties.get(f"{_STYLE}text-position", "")
            if properties.get(f"{T}display") == "none":
                self.hidden.add(name)

    def say(self, warning: str) -> None:
        self.said[warning] = None

    def beside(self, styles: etree._Element, kind: str) -> Iterator[str]:
        """The text of each header or footer of the pages."""
        elements = styles.iter(f"{_STYLE}{kind}", f"{_STYLE}{kind}-left", f"{_STYLE}{kind}-first")
        return running_texts("\n".join(self.read(element)) for element in elements)

    def read(self, parent: etree._Element) -> Iterator[str]:
        """The blocks, each followed by the footnotes that it refers to."""
        for block in self._blocks(parent):
            yield block
            yield from self.notes(self.footnotes)

    def notes(self, due: list[tuple[str, etree._Element]]) -> Iterator[str]:
        while due:
            mark, note = due.pop(0)
            yield f"{mark} " + "\n".join(self._blocks(note))

    def _blocks(self, parent: etree._Element) -> Iterator[str]:
        for block in parent:
            tag = block.tag
            if tag in {f"{T}p", f"{T}h"}:
                yield from self._paragraph(block)
            elif tag == f"{T}list":
                yield from self._list(block)
            elif tag == f"{_TABLE}table":
                rows = ("\t".join(self._cells(row)).rstrip() for row in _rows(block))
                if text := "\n".join(row for row in rows if row):
                    yield text
            elif tag == f"{T}tracked-changes":
                if block.find(f".//{T}deletion") is not None:
                    self.say(DELETED)
            elif tag not in _NO_TEXT and isinstance(tag, str):
                yield from self._blocks(block)

    def _list(self, element: etree._Element) -> Iterator[str]:
        self.lists.begin(element)
        for item in element:
            if item.tag in {f"{T}list-item", f"{T}list-header"}:
                begins = item.tag == f"{T}list-item" and len(item) and item[0].tag in {f"{T}p", f"{T}h"}
                label = self.lists.label(item) if begins else ""
                for at, block in enumerate(self._blocks(item)):
                    yield block if at else label + block
        self.lists.end()

    def _cells(self, row: etree._Element) -> Iterator[str]:
        for cell in row.iter(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
            if cell.getparent() is row:
                yield " ".join(" ".join(self._blocks(cell)).split())

    def _paragraph(self, element: etree._Element) -> Iterator[str]:
        outer, self.boxes = self.boxes, []
        text = self._inline(element).strip()
        boxes, self.boxes = self.boxes, outer
        if element.get(f"{T}style-name", "") in self.hidden:
            self.say(HIDDEN)
            text = ""
        if text:
            yield (self.lists.heading(element) if element.tag == f"{T}h" else "") + text
        for box in boxes:
            yield from self._blocks(box)

    def _inline(self, element: etree._Element) -> str:
        parts = [element.text or ""]
        for child in element:
            if isinstance(child.tag, str):
                parts.append(self._said_by(child))
            parts.append(child.tail or "")
        return "".join(parts)

    def _said_by(self, child: etree._Element) -> str:
        tag = child.tag
        if tag == f"{T}s":
            count = child.get(f"{T}c", "1")
            return " " * (min(int(count), 1000) if count.isdecimal() else 1)
        if tag in {f"{T}tab", f"{T}line-break"}:
            return "\t" if tag == f"{T}tab" else "\n"
        if tag == f"{T}note":
            return self._note(child)
        if tag == f"{_DRAW}text-box":
            self.boxes.append(child)
            return ""
        if tag == f"{_DRAW}object":
            return self._object(child)
        if tag in {f"{_OFFICE}annotation", f"{T}hidden-text", f"{T}ruby-text"}:
            self.say(_LEFT_OUT[tag])
        if tag in _NO_TEXT or tag in _LEFT_OUT:
            return ""
        text, style = self._inline(child), child.get(f"{T}style-name", "")
        if style in self.hidden and text.strip():
            self.say(HIDDEN)
            return ""
        position = self.positions.get(style, "") if tag == f"{T}span" else ""
        if position.startswith(("super", "sub")):
            return (raised if position.startswith("super") else lowered)(text)
        if position[:1].isdigit() or position.startswith("-"):
            height = position.split("%")[0].split()[0]
            return text if height in {"0", "100"} else (lowered if height.startswith("-") else raised)(text)
        return text

    def _note(self, note: etree._Element) -> str:
        citation, body = note.find(f"{T}note-citation"), note.find(f"{T}note-body")
        mark = f"[{'' if citation is None else ''.join(citation.itertext())}]"
        if body is not None:
            (self.endnotes if note.get(f"{T}note-class") == "endnote" else self.footnotes).append((mark, body))
        return mark

    def _object(self, element: etree._Element) -> str:
        """An equation, which is a part of its own; other objects are charts and tables."""
        part = self.package.resolved("", f"{element.get(_LINK, '')}/content.xml")
        math = BeautifulSoup(self.package.read(part), "lxml").find("math") if part else None
        if math is None:
            self.say("The embedded objects were left out.")
            return ""
        return equation(math)


def _rows(table: etree._Element) -> Iterator[etree._Element]:
    for child in table:
        if child.tag == f"{_TABLE}table-row":
            yield child
        elif child.tag in _TABLE_PARTS:
            yield from _rows(child)


_LEFT_OUT = {
    f"{_OFFICE}annotation": COMMENTS,
    f"{T}hidden-text": HIDDEN,
    f"{T}ruby-text": READINGS,
}
