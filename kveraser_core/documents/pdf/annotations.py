"""What stands on a PDF page beside its content: values in a form's fields, and typed notes."""

import math
from collections.abc import Callable, Iterator
from typing import Any, cast

from pypdf.generic import ArrayObject, DictionaryObject, StreamObject

from kveraser_core.documents.pdf.content import Run
from kveraser_core.documents.pdf.inheritance import inherited
from kveraser_core.documents.pdf.lines import Cell, Line

_HIDDEN = 1 << 1 | 1 << 5
_COMMENTS = {
    "/Text", "/Highlight", "/Underline", "/StrikeOut", "/Squiggly", "/Caret", "/FileAttachment", "/Stamp", "/Square",
    "/Circle", "/Line", "/Ink", "/Polygon", "/PolyLine", "/Redact", "/Sound", "/Movie",
}  # fmt: skip
_DRAWN = {"/Widget", "/FreeText", "/Stamp", "/Watermark"}
"""Annotations of which the letters may only be in how they look."""
_PUSH_BUTTON, _PASSWORD = 1 << 16, 1 << 13
_BOXES = {"[x]", "[ ]"}


def annotations(
    page: DictionaryObject, drawn: Callable[[StreamObject], str], angle: int
) -> Iterator[tuple[str, Run | None]]:
    """The kind (`field`, `note`, `comment`, `broken`) of each annotation that has text, and the text at its place.

    `drawn` tells what a form draws, and `angle` is that of the page's lines.
    """
    annots = page.get("/Annots")
    annots = annots.get_object() if annots is not None else None
    for entry in annots if isinstance(annots, ArrayObject) else []:
        try:
            annot = entry.get_object()
            if not isinstance(annot, DictionaryObject) or int(annot.get("/F", 0)) & _HIDDEN:
                continue
            kind, text = _text(annot)
            if not text.strip() and annot.get("/Subtype") in _DRAWN:
                kind, text = "field" if kind == "field" else "note", _look(annot, drawn)
            found = (kind, _run(text.strip(), annot, angle)) if text.strip() else ("", None)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            found = "broken", None
        if found[0]:
            yield found


def place(run: Run, lines: list[Line]) -> None:
    """Put `run` after what stands left of it on its line, or, where nothing does, into a line of its own."""
    across = [line for line in lines if run.base - 2 <= line.base <= run.base + run.size]
    label = max(across, key=lambda line: line.base, default=None)
    if label is None:
        below = next((at for at, line in enumerate(lines) if line.base < run.base), len(lines))
        lines.insert(below, Line([Cell(run.text, run.left, run.right)], run.base, run.size))
        return
    left = [cell for cell in label.cells if cell.left <= run.left]
    right = [cell for cell in label.cells if cell.left > run.left]
    before = run.left - left[-1].right if left else math.inf
    if run.text in _BOXES and right and right[0].left - run.right < before:
        right[0].text, right[0].left = f"{run.text} {right[0].text}", run.left
    elif left:
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
    value = inherited(field, "/V")
    if inherited(field, "/FT") == "/Btn":
        if int(inherited(field, "/Ff") or 0) & _PUSH_BUTTON:
            return str(inherited(field, "/MK").get("/CA", "")) if "/MK" in field else ""
        return "[x]" if field.get("/AS", value) not in (None, "/Off") else "[ ]"
    if value is None or inherited(field, "/FT") == "/Sig":
        return ""
    if inherited(field, "/FT") == "/Ch":
        chosen = value if isinstance(value, ArrayObject) else [value]
        options = [option.get_object() for option in inherited(field, "/Opt") or []]
        shown = {str(option[0]): str(option[1]) for option in options if isinstance(option, ArrayObject)}
        names = [str(one.get_object()) for one in chosen]
        return ", ".join(shown.get(name, name) for name in names)
    hidden = int(inherited(field, "/Ff") or 0) & _PASSWORD
    return "*" * len(str(value)) if hidden else str(value)


def _look(annot: DictionaryObject, drawn: Callable[[StreamObject], str]) -> str:
    """The letters of its appearance."""
    if inherited(annot, "/FT") == "/Btn" and not int(inherited(annot, "/Ff") or 0) & _PUSH_BUTTON:
        return ""
    looks = annot.get("/AP", DictionaryObject()).get_object().get("/N")
    look = looks.get_object() if looks is not None else None
    return drawn(look) if isinstance(look, StreamObject) else ""


def _run(text: str, annot: DictionaryObject, angle: int) -> Run:
    x, y, x2, y2 = (float(number) for number in cast(Any, annot["/Rect"].get_object()))
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    left, right = sorted((x * cos + y * sin, x2 * cos + y2 * sin))
    low, high = sorted((y * cos - x * sin, y2 * cos - x2 * sin))
    return Run(" ".join(text.split()), left, right, low, high - low)
