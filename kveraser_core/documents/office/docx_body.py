"""The text of a Word part, block after block, as Word shows it.

Revisions are read as accepted. Text boxes follow the paragraph that they are anchored in, footnotes the block that
refers to them.
"""

from collections.abc import Callable, Iterator
from itertools import groupby

from lxml import etree

from kveraser_core.documents.beside import DELETED, HIDDEN, READINGS
from kveraser_core.documents.numerals import roman
from kveraser_core.documents.office.docx_math import MATH, equation
from kveraser_core.documents.office.docx_styles import VAL, Numbering, Styles, W, number, value
from kveraser_core.documents.office.symbols import is_symbol_font, symbol, without_private
from kveraser_core.documents.scripts import lowered, raised

_PARAGRAPH, _TABLE, _ROW, _CELL, _RUN = (W + name for name in ("p", "tbl", "tr", "tc", "r"))
_COMPATIBLE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_RELATED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_WRAPPERS = {
    W + name
    for name in (
        "sdt",
        "sdtContent",
        "customXml",
        "smartTag",
        "ins",
        "moveTo",
        "hyperlink",
        "fldSimple",
        "dir",
        "bdo",
    )
}
_GONE = {f"{W}del", f"{W}moveFrom"}
_EQUATIONS = {f"{MATH}oMath", f"{MATH}oMathPara"}
_SIGNS = {f"{W}tab": "\t", f"{W}ptab": "\t", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-"}
_SCRIPTS = {"superscript": raised, "subscript": lowered}
_LIFTED, _TINY = 3, 3
"""In half points: how far letters stand above or below their line, and what size nobody sees."""
_OFF = {"0", "false", "off"}

FAINT = "Text that is white on white, or too small to see, was read."


class Context:
    """What the parts of one document share: styles, numbers, notes, and what was left out."""

    def __init__(self, styles: Styles, numbering: Numbering, embedded: Callable[[str], str]) -> None:
        self.styles, self.numbering, self.embedded = styles, numbering, embedded
        self.notes: dict[tuple[str, str], etree._Element] = {}
        self.footnotes_due: list[tuple[str, etree._Element]] = []
        self.endnotes_due: list[tuple[str, etree._Element]] = []
        self.marks: dict[tuple[str, str], str] = {}
        self.said: dict[str, None] = {}

    def say(self, warning: str) -> None:
        self.said[warning] = None

    def mark(self, kind: str, name: str) -> str:
        """What stands in the text for a note; its own text is due after that."""
        note = self.notes.get((kind, name))
        if note is None:
            return ""
        if (kind, name) not in self.marks:
            count = sum(other == kind for other, _ in self.marks) + 1
            self.marks[kind, name] = f"[{count}]" if kind == "footnote" else f"[{roman(count)}]"
            due = self.footnotes_due if kind == "footnote" else self.endnotes_due
            due.append((self.marks[kind, name], note))
        return self.marks[kind, name]


def read(parent: etree._Element, context: Context) -> Iterator[str]:
    """The blocks of a body, a header or a note, each followed by the footnotes that it refers to."""
    for block in _blocks(parent, context):
        yield block
        yield from notes(context.footnotes_due, context)


def notes(due: list[tuple[str, etree._Element]], context: Context) -> Iterator[str]:
    """The text of the notes that are due, which then are not any more."""
    while due:
        mark, note = due.pop(0)
        yield f"{mark} " + "\n".join(_blocks(note, context))


def _within(element: etree._Element) -> Iterator[etree._Element]:
    """The children, also those inside content controls, links and accepted changes."""
    for child in element:
        if child.tag in _WRAPPERS:
            yield from _within(child)
        elif child.tag == f"{_COMPATIBLE}AlternateContent":
            yield from _within(_alternative(child))
        else:
            yield child


def _alternative(element: etree._Element) -> etree._Element:
    """The one of several forms of the same content that is read: the first, if there is anything in it."""
    return next((child for child in element if len(child)), element)


def _blocks(parent: etree._Element, context: Context) -> Iterator[str]:
    initial = ""
    for block in _within(parent):
        if block.tag == _PARAGRAPH:
            first, *others = [*_paragraph(block, context)] or [""]
            if block.find(f"{W}pPr/{W}framePr[@{W}dropCap]") is not None:
                initial += first  # of the word that the next paragraph goes on with
            elif initial + first:
                yield initial + first
                initial = ""
            yield from others
        elif block.tag == _TABLE:
            rows = (_row(row, context) for row in _within(block) if row.tag == _ROW)
            if text := "\n".join(row for row in rows if row):
                yield text
        elif block.tag in _EQUATIONS:
            yield equation(block)
        elif block.tag == f"{W}altChunk" and (text := context.embedded(block.get(f"{_RELATED}id", ""))):
            yield text
        elif block.tag in _GONE:
            context.say(DELETED)
    if initial:
        yield initial


def _row(row: etree._Element, context: Context) -> str:
    if row.find(f"{W}trPr/{W}del") is not None:
        context.say(DELETED)
        return ""
    cells = (" ".join(" ".join(_blocks(cell, context)).split()) for cell in _within(row) if cell.tag == _CELL)
    return "\t".join(cells).rstrip()


def _paragraph(element: etree._Element, context: Context) -> Iterator[str]:
    """Its text with its number, then the text boxes that are anchored in it."""
    paragraph = _Paragraph(element, context)
    text, label = paragraph.text().strip(), ""
    properties = element.find(f"{W}pPr")
    used = context.styles.list_of(properties)
    if used and (text or value(properties, "rPr/del") is None):
        label = context.numbering.label(*used)
    if text:
        yield label + text
    for box in paragraph.boxes:
        yield from _blocks(box, context)


class _Paragraph:
    def __init__(self, element: etree._Element, context: Context) -> None:
        self.context = context
        self.properties = element.find(f"{W}pPr")
        self.style = value(self.properties, "pStyle")
        self.boxes: list[etree._Element] = []
        self.pieces: list[tuple[str, str]] = []
        self.fields: list[bool] = []
        """For each field that is open, whether its result has begun; before that is its code."""
        self._inline(element)

    def text(self) -> str:
        runs = (
            (script, "".join(text for _, text in run)) for script, run in groupby(self.pieces, lambda one: one[0])
        )
        return "".join(_SCRIPTS[script](text) if script in _SCRIPTS else text for script, text in runs)

    def _inline(self, element: etree._Element) -> None:
        for child in _within(element):
            if child.tag == _RUN:
                self._run(child)
            elif child.tag in _EQUATIONS:
                self.pieces.append(("", equation(child)))
            elif child.tag in _GONE and len(child):
                self.context.say(DELETED)
            elif child.tag == f"{W}subDoc":
                self.context.say("A subdocument, which is a file of its own, was left out.")

    def _run(self, run: etree._Element) -> None:
        properties = run.find(f"{W}rPr")
        hidden = self.context.styles.of_run(properties, self.style, "vanish")
        if hidden is not None and hidden not in _OFF:
            if any(True for _ in run.iter(f"{W}t", f"{W}sym", f"{W}drawing", f"{W}pict")):
                self.context.say(HIDDEN)
            return
        script = self.context.styles.of_run(properties, self.style, "vertAlign") or ""
        lift = number(self.context.styles.of_run(properties, self.style, "position"), 0)
        if not script and abs(lift) >= _LIFTED:
            script = "superscript" if lift > 0 else "subscript"
        fonts = None if properties is None else properties.find(f"{W}rFonts")
        font = "" if fonts is None else fonts.get(f"{W}ascii") or fonts.get(f"{W}hAnsi", "")
        if self._is_faint(run, properties):
            self.context.say(FAINT)
        for child in _within(run):
            if child.tag == f"{W}fldChar":
                self._field(child)
            elif all(self.fields):
                text = self._said_by(child)
                if text and is_symbol_font(font):
                    text = without_private(text, font)
                if text:
                    self.pieces.append(("" if text[0] == "[" else script, text))

    def _is_faint(self, run: etree._Element, properties: etree._Element | None) -> bool:
        """Whether its letters are white on white, or too small to see. What is in tables and boxes has a ground."""
        if run.find(f"{W}t") is None:
            return False
        if number(self.context.styles.of_run(properties, self.style, "sz"), _TINY + 1) <= _TINY:
            return True
        if self.context.styles.of_run(properties, self.style, "color") != "FFFFFF":
            return False
        grounds = (f"{W}shd", f"{W}highlight")
        painted = any(
            each is not None and each.find(name) is not None
            for each in (properties, self.properties)
            for name in grounds
        )
        inside = any(True for _ in run.iterancestors(_CELL, f"{W}txbxContent"))
        return not painted and not inside

    def _said_by(self, child: etree._Element) -> str:
        tag = child.tag
        if tag == f"{W}t":
            return child.text or ""
        if tag in _SIGNS:
            return _SIGNS[tag]
        if tag == f"{W}sym":
            return self._symbol(child)
        if tag in {f"{W}footnoteReference", f"{W}endnoteReference"}:
            kind = tag.removeprefix(W).removesuffix("Reference")
            return self.context.mark(kind, child.get(f"{W}id", ""))
        if tag == f"{W}ruby":
            base, reading = child.find(f"{W}rubyBase"), child.find(f"{W}rt")
            if reading is not None and "".join(reading.itertext()).strip():
                self.context.say(READINGS)
            if base is not None:
                self._inline(base)
        elif tag in {f"{W}drawing", f"{W}pict", f"{W}object"}:
            self._drawing(child)
        elif tag in _EQUATIONS:
            return equation(child)
        return ""

    def _symbol(self, element: etree._Element) -> str:
        font, code = element.get(f"{W}font", ""), element.get(f"{W}char", "")
        try:
            sign = symbol(int(code, 16), font)
        except ValueError:
            sign = None
        if sign is None:
            self.context.say(f"Symbols of the font {font[:60]} that have no letter were left out.")
        return sign or ""

    def _drawing(self, element: etree._Element) -> None:
        """Gather the text boxes, in the first of their forms; charts and diagrams are other parts."""
        for child in element:
            tag = child.tag if isinstance(child.tag, str) else ""
            if tag == f"{W}txbxContent":
                self.boxes.append(child)
            elif tag == f"{_COMPATIBLE}AlternateContent":
                self._drawing(_alternative(child))
            elif tag.endswith("}chart"):
                self.context.say("The charts were left out.")
            elif tag.endswith("}relIds"):
                self.context.say("The diagrams (SmartArt) were left out.")
            elif tag.endswith("}OLEObject"):
                self.context.say("The embedded objects were left out.")
            else:
                if tag.endswith("}textpath") and child.get("string"):
                    self.pieces.append(("", child.get("string", "")))
                self._drawing(child)

    def _field(self, element: etree._Element) -> None:
        kind = element.get(f"{W}fldCharType")
        if kind == "begin":
            if all(self.fields):
                self.pieces.append(("", _form_value(element.find(f"{W}ffData"))))
            self.fields.append(False)
        elif kind == "separate" and self.fields:
            self.fields[-1] = True
        elif kind == "end" and self.fields:
            self.fields.pop()


def _form_value(form: etree._Element | None) -> str:
    """What a check box or a list of an old form shows; a text field has its text as a result."""
    if form is None:
        return ""
    box = form.find(f"{W}checkBox")
    if box is not None:
        checked = value(box, "default") if value(box, "checked") is None else value(box, "checked")
        return "☐" if checked is None or checked in _OFF else "☒"
    entries = [entry.get(VAL, "") for entry in form.iterfind(f"{W}ddList/{W}listEntry")]
    chosen = number(value(form, "ddList/result") or value(form, "ddList/default"), 0)
    return entries[chosen] if 0 <= chosen < len(entries) else ""
