"""The equations of a page (MathML), each in a line of text."""

from collections.abc import Callable

from bs4 import NavigableString, PageElement, Tag

from kveraser_core.documents.scripts import fraction, grouped, joined, lowered, matrix, raised, root

_NOT_SHOWN = {"annotation", "annotation-xml", "mphantom", "script", "style"}


def equation(element: PageElement) -> str:
    """What an element of MathML says. Raises `RecursionError` for what nobody nests so deep."""
    if isinstance(element, NavigableString):
        return " ".join(element.split()) if type(element) is NavigableString else ""
    if not isinstance(element, Tag) or element.name in _NOT_SHOWN:
        return ""
    write = _FORMS.get(element.name)
    parts = [equation(child) for child in element.children if isinstance(child, Tag)] if write else []
    if write and len(parts) >= _FEWEST.get(element.name, 2):
        return write(parts)
    return joined(equation(child) for child in element.children)


def _table(rows: list[str]) -> str:
    return matrix([row.split("\t") for row in rows])


_FORMS: dict[str, Callable[[list[str]], str]] = {
    "mfrac": lambda parts: fraction(parts[0], parts[1]),
    "msup": lambda parts: grouped(parts[0]) + raised(parts[1]),
    "msub": lambda parts: grouped(parts[0]) + lowered(parts[1]),
    "msubsup": lambda parts: grouped(parts[0]) + lowered(parts[1]) + raised(parts[2]),
    "munder": lambda parts: parts[0] + lowered(parts[1]),
    "mover": lambda parts: parts[0] + raised(parts[1]),
    "munderover": lambda parts: parts[0] + lowered(parts[1]) + raised(parts[2]) + " ",
    "msqrt": lambda parts: root("".join(parts)),
    "mroot": lambda parts: root(parts[0], parts[1]),
    "mtr": "\t".join,
    "mtable": _table,
}
_FEWEST = {"msubsup": 3, "munderover": 3, "msqrt": 1, "mtr": 1, "mtable": 1}
