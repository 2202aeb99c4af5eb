"""Whether text on a PDF page can be seen: what is painted under white letters, and which layers are shown."""

from typing import Any

from pypdf.generic import ArrayObject, DictionaryObject

_WHITE = 0.98
_MOST_BOXES = 10_000

Point = tuple[float, float]


class Paint:
    """The boxes that are painted on a page, in its points, and the path that is being drawn."""

    def __init__(self) -> None:
        self._boxes: list[tuple[float, float, float, float]] = []
        self._everywhere = False
        self._path: list[Point] = []

    def go(self, operands: Any) -> None:
        """A line or a curve to the last of these points."""
        self._path.append((float(operands[-2]), float(operands[-1])))

    def rectangle(self, operands: Any) -> None:
        x, y, width, height = map(float, operands)
        self._path += [(x, y), (x + width, y + height), (x + width, y), (x, y + height)]

    def drop(self) -> None:
        self._path.clear()

    def fill(self, to_page: Any, white: bool) -> None:
        """Paint the path, whose points `to_page` takes to the page."""
        if self._path and not white:
            a, b, c, d, e, f = to_page
            across = [a * x + c * y + e for x, y in self._path]
            up = [b * x + d * y + f for x, y in self._path]
            self._boxes.append((min(across), min(up), max(across), max(up)))
            self._everywhere = self._everywhere or len(self._boxes) > _MOST_BOXES
        self.drop()

    def picture(self, to_page: Any) -> None:
        self.rectangle((0, 0, 1, 1))
        self.fill(to_page, white=False)

    def all(self) -> None:
        """Anything may be painted now."""
        self._everywhere = True

    def under(self, x: float, y: float) -> bool:
        """Whether anything but white is painted there."""
        return self._everywhere or any(
            left <= x <= right and low <= y <= high for left, low, right, high in self._boxes
        )


def is_white(operands: Any) -> bool:
    """Whether these numbers, of gray, RGB or CMYK, are those of white."""
    if len(operands) not in {1, 3, 4} or not all(isinstance(number, (int, float)) for number in operands):
        return False
    if len(operands) == 4:
        return all(number <= 1 - _WHITE for number in operands)
    return all(number >= _WHITE for number in operands)


class Layers:
    """The layers (optional content) of a PDF that are not shown when it is opened."""

    def __init__(self, pdf: Any) -> None:
        properties = _get(pdf.root_object, "/OCProperties")
        default = _get(properties, "/D")
        off = _get(default, "/OFF") or []
        if _get(default, "/BaseState") == "/OFF":
            shown = {id(group.get_object()) for group in _get(default, "/ON") or []}
            off = [group for group in _get(properties, "/OCGs") or [] if id(group.get_object()) not in shown]
        self._off = {id(group.get_object()) for group in off}

    def hides(self, content: Any) -> bool:
        """Whether what belongs to `content`, a layer or several, is not shown."""
        if not self._off or not isinstance(content, DictionaryObject):
            return False
        if content.get("/Type") != "/OCMD":
            return id(content) in self._off
        groups = _get(content, "/OCGs")
        several = groups if isinstance(groups, ArrayObject) else [groups] if groups is not None else []
        off = [id(group.get_object()) in self._off for group in several]
        hidden = {"/AllOn": any(off), "/AnyOff": not any(off), "/AllOff": not all(off)}
        return bool(off) and hidden.get(str(content.get("/P")), all(off))


def _get(parent: Any, key: str) -> Any:
    found = parent.get(key) if isinstance(parent, DictionaryObject) else None
    return found.get_object() if found is not None else None
