"""The text operators of a PDF page: from its content stream to runs of text with their places.

`page_content` follows the graphics state as a viewer does (PDF 32000-1, 8.4 and 9.4), through forms too, and measures
every glyph, so that what comes after can tell words, lines and columns by where they are.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from pypdf.generic import ArrayObject, ContentStream, DictionaryObject, StreamObject

from kveraser_core.documents.pdf.fonts import UNKNOWN, Font
from kveraser_core.documents.pdf.inheritance import inherited
from kveraser_core.documents.pdf.paint import Layers, Paint, is_white
from kveraser_core.documents.pdf.state import UNIT, Matrix, State, numbers, times

_WORD_GAP = 0.13
"""The gap within a shown string from which it is one between words, in font sizes; kerning is at most 0.1."""
_MAX_DEPTH = 12
_MAX_FORMS = 5_000
_SMALLEST = 1.0
_INVISIBLE, _FILLED = {3, 7}, {0, 4}
"""Modes of text: neither filled nor stroked, and filled only."""
_CURVES = (b"m", b"l", b"c", b"v", b"y")
_FILLS = (b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*")


@dataclass
class Run:
    """Text on one line of a page, in points from its lower left corner, turned so that it runs to the right."""

    text: str
    left: float
    right: float
    base: float
    size: float
    angle: int = 0
    hidden: bool = False
    monospaced: bool = False


@dataclass
class PageContent:
    """The runs of a page in the order in which they are drawn, and what else was seen."""

    runs: list[Run] = field(default_factory=list)
    pictures: int = 0
    unreadable_fonts: set[str] = field(default_factory=set)
    forms_left_out: bool = False
    fonts_missing: bool = False


def page_content(page: DictionaryObject, pdf: Any, fonts: dict[int, Font]) -> PageContent:
    """What `page` draws. `fonts` are those of the pages before, and get its own. Raises what pypdf raises."""
    reading = _Reading(pdf, fonts)
    contents = page.get("/Contents")
    if contents is not None and (contents := contents.get_object()) is not None:
        reading.stream(contents, inherited(page, "/Resources") or DictionaryObject(), State(), 0)
    return reading.seen


def form_content(form: StreamObject, pdf: Any, fonts: dict[int, Font]) -> PageContent:
    """What a form draws by itself. Raises what pypdf raises."""
    reading = _Reading(pdf, fonts)
    reading.paint.all()
    resources = form.get("/Resources")
    reading.stream(form, DictionaryObject() if resources is None else resources.get_object(), State(), 0)
    return reading.seen


class _Reading:
    def __init__(self, pdf: Any, fonts: dict[int, Font]) -> None:
        self.pdf, self.seen, self.fonts = pdf, PageContent(), fonts
        self.forms = 0
        self.open: set[int] = set()
        self.paint, self.layers, self.off = Paint(), Layers(pdf), 0

    def stream(self, contents: Any, resources: DictionaryObject, state: State, depth: int) -> None:
        """Follow one content stream: a page's or a form's."""
        content = ContentStream(contents, self.pdf, "bytes")
        data = content.get_data()
        if any(operator in data for operator in (b"Tj", b"TJ", b"'", b'"', b"Do", b"BI")):
            _Stream(self, resources, state, depth).follow(content.operations)
        else:
            self.paint.all()

    def font(self, resources: DictionaryObject, name: Any) -> Font | None:
        fonts = resources.get("/Font", DictionaryObject()).get_object()
        resource = fonts[name].get_object() if name in fonts else None
        if not isinstance(resource, DictionaryObject):
            return None
        if id(resource) not in self.fonts:
            self.fonts[id(resource)] = Font(resource)
        return self.fonts[id(resource)]

    def form(self, resources: DictionaryObject, name: Any, state: State, depth: int) -> None:
        objects = resources.get("/XObject", DictionaryObject()).get_object()
        drawn = objects[name].get_object() if name in objects else None
        if not isinstance(drawn, StreamObject):
            return
        layer = drawn.get("/OC")
        off = layer is not None and self.layers.hides(layer.get_object())
        self.off += off
        if drawn.get("/Subtype") == "/Image":
            self.seen.pictures += 1
            self.paint.picture(state.to_page)
        elif depth >= _MAX_DEPTH or self.forms >= _MAX_FORMS:
            self.seen.forms_left_out = True
        elif id(drawn) not in self.open:
            self.forms += 1
            self.open.add(id(drawn))
            matrix = drawn.get("/Matrix")
            inside = state.copy()
            if isinstance(matrix, ArrayObject) and len(matrix) == 6:
                inside.to_page = times(numbers(matrix), state.to_page)
            own = drawn.get("/Resources")
            self.stream(drawn, own.get_object() if own is not None else resources, inside, depth + 1)
            self.open.discard(id(drawn))
        self.off -= off


class _Stream:
    """One content stream being followed."""

    def __init__(self, reading: _Reading, resources: DictionaryObject, state: State, depth: int) -> None:
        self.reading, self.resources, self.state, self.depth = reading, resources, state, depth
        self.saved: list[State] = []
        self.line = self.at = UNIT
        self.marked: list[tuple[str | None, bool]] = []
        self.replaced: str | None = None
        self.operators: dict[bytes, Callable[[Any], None]] = {
            b"q": lambda _: self.saved.append(self.state.copy()),
            b"Q": self._restore,
            b"cm": lambda o: setattr(self.state, "to_page", times(numbers(o), self.state.to_page)),
            b"BT": lambda _: self._place(UNIT),
            b"Tm": lambda o: self._place(numbers(o)),
            b"Td": lambda o: self._move(o[0], o[1]),
            b"TD": self._move_and_lead,
            b"T*": lambda _: self._move(0, -self.state.leading),
            b"Tf": self._select_font,
            b"Tc": lambda o: setattr(self.state, "character_space", float(o[0])),
            b"Tw": lambda o: setattr(self.state, "word_space", float(o[0])),
            b"Tz": lambda o: setattr(self.state, "stretch", float(o[0]) / 100),
            b"TL": lambda o: setattr(self.state, "leading", float(o[0])),
            b"Ts": lambda o: setattr(self.state, "rise", float(o[0])),
            b"Tr": lambda o: setattr(self.state, "mode", int(o[0])),
            b"Tj": lambda o: self._show([o[0]]),
            b"TJ": lambda o: self._show(o[0]),
            b"'": self._next_and_show,
            b'"': self._space_and_show,
            b"Do": lambda o: self.reading.form(self.resources, o[0], self.state, self.depth),
            b"INLINE IMAGE": self._picture,
            b"BDC": self._mark,
            b"BMC": lambda _: self.marked.append((None, False)),
            b"EMC": self._unmark,
            b"gs": self._set_up,
            b"cs": lambda o: setattr(self.state, "white", False),
            **dict.fromkeys((b"g", b"rg", b"k"), self._color),
            **dict.fromkeys((b"sc", b"scn"), self._color_in_space),
            **dict.fromkeys(_CURVES, self.reading.paint.go),
            b"re": self.reading.paint.rectangle,
            **dict.fromkeys(_FILLS, self._fill),
            **{name: lambda _: self.reading.paint.drop() for name in (b"n", b"s", b"S")},
            b"sh": lambda _: self.reading.paint.all(),
        }

    def follow(self, operations: list[tuple[Any, bytes]]) -> None:
        for operands, operator in operations:
            if act := self.operators.get(operator):
                try:
                    act(operands)
                except (IndexError, TypeError, ValueError, KeyError, AttributeError):
                    continue  # as viewers do with an operator whose operands are wrong
        while self.marked:
            self._unmark(None)

    def _restore(self, _: Any) -> None:
        if self.saved:
            self.state = self.saved.pop()

    def _place(self, matrix: Matrix) -> None:
        self.line = self.at = matrix

    def _move(self, x: Any, y: Any) -> None:
        self._place(times((1.0, 0.0, 0.0, 1.0, float(x), float(y)), self.line))

    def _move_and_lead(self, operands: Any) -> None:
        self.state.leading = -float(operands[1])
        self._move(operands[0], operands[1])

    def _select_font(self, operands: Any) -> None:
        self.state.size = float(operands[1])
        self.state.font = self.reading.font(self.resources, operands[0])

    def _next_and_show(self, operands: Any) -> None:
        self._move(0, -self.state.leading)
        self._show([operands[0]])

    def _space_and_show(self, operands: Any) -> None:
        self.state.word_space, self.state.character_space = float(operands[0]), float(operands[1])
        self._next_and_show(operands[2:])

    def _picture(self, _: Any) -> None:
        self.reading.seen.pictures += 1
        self.reading.paint.picture(self.state.to_page)

    def _set_up(self, operands: Any) -> None:
        states = cast(Any, self.resources["/ExtGState"])
        self.state.opacity = float(states[operands[0]].get("/ca", self.state.opacity))

    def _color(self, operands: Any) -> None:
        self.state.white = is_white(operands)

    def _color_in_space(self, operands: Any) -> None:
        self.state.white = len(operands) > 1 and is_white(operands)  # one number may be that of any ink

    def _fill(self, _: Any) -> None:
        if not self.reading.off:
            self.reading.paint.fill(self.state.to_page, self.state.white)
        self.reading.paint.drop()

    def _mark(self, operands: Any) -> None:
        self.marked.append((None, False))
        properties = operands[1]
        if isinstance(properties, str):
            properties = cast(Any, self.resources["/Properties"])[properties].get_object()
        if operands[0] == "/OC" and self.reading.layers.hides(properties):
            self.marked[-1] = (None, True)
            self.reading.off += 1
        text = properties.get("/ActualText") if isinstance(properties, DictionaryObject) else None
        if isinstance(text, bytes):
            text = text.decode("utf-16" if text[:2] in (b"\xfe\xff", b"\xff\xfe") else "latin-1", "replace")
        if text is not None:
            self.replaced = str(text)
            self.marked[-1] = (self.replaced, self.marked[-1][1])

    def _unmark(self, _: Any) -> None:
        if self.marked:
            replaced, off = self.marked.pop()
            self.reading.off -= off
            if replaced is not None:
                self.replaced = next((text for text, _ in reversed(self.marked) if text is not None), None)

    def _show(self, shown: Any) -> None:
        """Make a run of the strings and the moves between them, and go on from its end."""
        state, font = self.state, self.state.font
        if font is None:
            self.reading.seen.fonts_missing = True
            return
        parts: list[str] = []
        across = gap = 0.0
        for item in shown:
            if isinstance(item, (int, float)):
                moved = -float(item) / 1000 * state.size * state.stretch
                across, gap = across + moved, gap + moved
                continue
            letters, width, count, spaces = font.shown(_codes(item))
            if gap > _WORD_GAP * abs(state.size) and parts and parts[-1][-1:] != " " != letters[:1]:
                parts.append(" ")
            gap = 0.0
            parts.append(letters)
            spacing = count * state.character_space + spaces * state.word_space
            across += (width / 1000 * state.size + spacing) * state.stretch
        self._add("".join(parts), across)
        self.at = times((1.0, 0.0, 0.0, 1.0, across, 0.0), self.at)

    def _add(self, text: str, across: float) -> None:
        if self.replaced is not None and text:
            text, self.replaced = self.replaced, ""  # the rest of what it stands for says nothing more
        if not text:
            return
        state = self.state
        assert state.font
        if not state.font.readable or UNKNOWN in text:
            self.reading.seen.unreadable_fonts.add(state.font.name)
        a, b, c, d, x, y = times(times((1.0, 0.0, 0.0, 1.0, 0.0, state.rise), self.at), state.to_page)
        along, size = math.hypot(a, b), state.size * math.hypot(c, d)
        angle = round(math.degrees(math.atan2(b, a))) % 360 if along else 0
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        left, base = x * cos + y * sin, y * cos - x * sin
        right = left + across * along
        middle = x + a * across / 2 + c * state.size / 4, y + b * across / 2 + d * state.size / 4
        white = state.white and state.mode in _FILLED and not self.reading.paint.under(*middle)
        faint = white or state.opacity == 0 or self.reading.off > 0
        hidden = faint or state.mode in _INVISIBLE or abs(size) < _SMALLEST
        self.reading.seen.runs.append(
            Run(text, min(left, right), max(left, right), base, abs(size), angle, hidden, state.font.monospaced)
        )


def _codes(shown: Any) -> bytes:
    return shown if isinstance(shown, bytes) else getattr(shown, "original_bytes", str(shown).encode("latin-1"))
