"""The text of a PowerPoint presentation: a page a slide, with the notes to it."""

from collections.abc import Callable, Iterator

from lxml import etree

from kveraser_core.documents.formats import Extract
from kveraser_core.documents.numerals import letters, roman
from kveraser_core.documents.office.docx_math import MATH, equation
from kveraser_core.documents.office.package import Package
from kveraser_core.documents.scripts import lowered, raised

_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_SLIDES = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_RELATED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_ALTERNATIVES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent"
_NUMERALS: dict[str, Callable[[int], str]] = {
    "arabic": str,
    "alphaLc": lambda number: letters(number, repeated=True),
    "alphaUc": lambda number: letters(number, repeated=True).upper(),
    "romanLc": roman,
    "romanUc": lambda number: roman(number).upper(),
}


def pptx_text(package: Package, main: str) -> Extract:
    """The slides in their order. Raises a `DocumentError` or, in a broken file, anything."""
    warnings: list[str] = []
    return Extract(_pages(package, main, warnings), warnings, paged=True)


def _pages(package: Package, main: str, warnings: list[str]) -> Iterator[str]:
    relations = package.relations(main)
    for number, slide in enumerate(package.tree(main).iterfind(f"{_SLIDES}sldIdLst/{_SLIDES}sldId"), 1):
        relation = relations.get(slide.get(_RELATED, ""))
        if relation is None or relation.part is None:
            warnings.append(f"Slide {number} is not in the file and was left out.")
            yield ""
            continue
        root = package.tree(relation.part)
        if root.get("show") in {"0", "false"}:
            warnings.append(f"Slide {number} is hidden in the show; it was read.")
        reader = _Slide(number, warnings)
        blocks = list(reader.blocks(root))
        for beside in package.relations(relation.part).values():
            if beside.kind == "notesSlide" and beside.part:
                notes = "\n".join(reader.blocks(package.tree(beside.part)))
                blocks += [f"Notes: {notes}"] if notes else []
            elif beside.kind == "comments":
                warnings.append(f"The comments on slide {number} were left out.")
        yield "\n\n".join(blocks)


class _Slide:
    def __init__(self, number: int, warnings: list[str]) -> None:
        self._place, self._warnings = f"slide {number}", warnings
        self._counts: dict[int, int] = {}

    def blocks(self, element: etree._Element) -> Iterator[str]:
        """The text of each shape and table."""
        for child in element:
            tag = child.tag if isinstance(child.tag, str) else ""
            if tag == _ALTERNATIVES:
                yield from self.blocks(next((one for one in child if len(one)), child))
            elif tag == f"{_SLIDES}sp" and child.find(f".//{_SLIDES}nvPr/{_SLIDES}ph[@type='sldNum']") is not None:
                continue
            elif tag == f"{_DRAWING}tbl":
                rows = (
                    "\t".join(map(self._cell, row.findall(f"{_DRAWING}tc"))) for row in child.findall(f"{_DRAWING}tr")
                )
                if text := "\n".join(row.rstrip() for row in rows).strip():
                    yield text
            elif tag.endswith("}txBody"):
                if text := self._paragraphs(child):
                    yield text
            elif tag.endswith(("}chart", "}relIds")):
                kind = "chart" if tag.endswith("}chart") else "diagram (SmartArt)"
                self._warnings.append(f"A {kind} on {self._place} was left out.")
            else:
                yield from self.blocks(child)

    def _cell(self, cell: etree._Element) -> str:
        body = cell.find(f"{_DRAWING}txBody")
        return "" if body is None else " ".join(self._paragraphs(body).split())

    def _paragraphs(self, body: etree._Element) -> str:
        self._counts = {}
        lines = (self._paragraph(paragraph) for paragraph in body.findall(f"{_DRAWING}p"))
        return "\n".join(line for line in lines if line)

    def _paragraph(self, paragraph: etree._Element) -> str:
        text = "".join(map(_said_by, paragraph)).strip()
        return self._label(paragraph.find(f"{_DRAWING}pPr")) + text if text else ""

    def _label(self, properties: etree._Element | None) -> str:
        """The number or bullet that the paragraph has of itself; those of the layout are not read."""
        level = 0 if properties is None else int(properties.get("lvl", "0"))
        self._counts = {at: count for at, count in self._counts.items() if at <= level}
        numbered = None if properties is None else properties.find(f"{_DRAWING}buAutoNum")
        if numbered is None:
            self._counts.pop(level, None)
            bullet = None if properties is None else properties.find(f"{_DRAWING}buChar")
            return "" if bullet is None else "- "
        self._counts[level] = self._counts.get(level, int(numbered.get("startAt", "1")) - 1) + 1
        form = numbered.get("type", "arabicPeriod")
        name = next((name for name in _NUMERALS if form.startswith(name)), "arabic")
        shown = _NUMERALS[name](self._counts[level])
        if form.endswith("ParenBoth"):
            return f"({shown}) "
        return f"{shown}{')' if form.endswith('ParenR') else '.' if form.endswith('Period') else ''} "


def _said_by(child: etree._Element) -> str:
    tag = child.tag if isinstance(child.tag, str) else ""
    if tag == f"{_DRAWING}br":
        return "\n"
    if tag in {f"{_DRAWING}r", f"{_DRAWING}fld"}:
        text = "".join(each.text or "" for each in child.findall(f"{_DRAWING}t"))
        properties = child.find(f"{_DRAWING}rPr")
        baseline = "0" if properties is None else properties.get("baseline", "0")
        if baseline.strip("0%-") == "":
            return text
        return (lowered if baseline.startswith("-") else raised)(text)
    if tag == _ALTERNATIVES:
        return "".join(map(_said_by, next((one for one in child if len(one)), child)))
    if tag.startswith(MATH):
        return equation(child)
    return "".join(map(_said_by, child)) if tag.endswith("}m") else ""
