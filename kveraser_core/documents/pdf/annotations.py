"""What stands on a PDF page beside its content: values in a form's fields, and typed notes."""

from collections.abc import Iterator
from typing import Any, cast

from pypdf.generic import ArrayObject, DictionaryObject

from kveraser_core.documents.pdf.content import Run
from kveraser_core.documents.pdf.lines import Cell, Line

_HIDDEN = 1 << 1 | 1 << 5
_COMMENTS = {"/Text", "/Highlight", "/Underline", "/StrikeOut", "/Squiggly", "/Caret", "/FileAttachment", "/Stamp"}
_MAX_PARENTS = 20
_PUSH_BUTTON = 1 << 16


def annotations(page: DictionaryObject) -> Iterator[tuple[str, Run]]:
    """The kind (`field`, `note`, `comment`) of each annotation that has text, and the text at its place."""
    annots = page.get("/Annots")
    annots = annots.get_object() if annots is not None else None
    for entry in annots if isinstance(annots, ArrayObject) else []:
        annot = entry.get_object()
        if not isinstance(annot, DictionaryObject) or int(annot.get("/F", 0)) & _HIDDEN:
            continue
        kind, text = _text(annot)
        if text.strip():
            yield kind, _run(text.strip(), annot)


def place(run: Run, lines: list[Line]) -> None:
    """Put `run` after what stands left of it on its line, or, where nothing does, into a line of its own."""
    across = [line for line in lines if run.base - 2 <= line.base <= run.base + run.size]
    label = max(across, key=lambda line: line.base, default=None)
    if label is None:
        below = next((at for at, line in enumerate(lines) if line.base < run.base), len(lines))
        lines.insert(below, Line([Cell(run.text, run.left, run.right)], run.base, run.size))
        return
    left = [cell for cell in label.cells if cell.left <= run.left]
    if left:
        left[-1].text += f" {run.text}"
    else:
        label.cells.insert(0, Cell(run.text, run.left, run.right))


def _text(annot: DictionaryObject) -> tuple[str, str]:
    subtype = annot.get("/Subtype")
    if subtype == "/Widget":
        return "field", _value(annot)
    contents = annot.get("/Contents", "")
    if subtype == "/FreeText":
        return "note", str(contents)
    return "comment", str(contents) if subtype in _COMMENTS else ""


def _value(field: DictionaryObject) -> str:
    value = _inherited(field, "/V")
    if _inherited(field, "/FT") == "/Btn":
        if int(_inherited(field, "/Ff") or 0) & _PUSH_BUTTON:
            return ""
        return "[x]" if field.get("/AS", value) not in (None, "/Off") else "[ ]"
    if isinstance(value, ArrayObject):
        return ", ".join(str(chosen.get_object()) for chosen in value)
    return "" if value is None or _inherited(field, "/FT") == "/Sig" else str(value)


def _inherited(field: Any, key: str) -> Any:
    for _ in range(_MAX_PARENTS):
        if key in field:
            return field[key].get_object()
        if "/Parent" not in field:
            return None
        field = field["/Parent"].get_object()
    return None


def _run(text: str, annot: DictionaryObject) -> Run:
    x, y, x2, y2 = (float(number) for number in cast(Any, annot["/Rect"].get_object()))
    return Run(" ".join(text.split()), min(x, x2), max(x, x2), min(y, y2), abs(y2 - y))
