"""The equations of a Word document (OMML), each in a line of text."""

from collections.abc import Callable

from lxml import etree

from kveraser_core.documents.scripts import fraction, grouped, joined, lowered, matrix, raised, root

MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def equation(element: etree._Element) -> str:
    """What an element of an equation, or the equation itself, says."""
    tag = element.tag
    if tag in {f"{MATH}t", f"{_WORD}t"}:
        return element.text or ""
    if not isinstance(tag, str) or tag.endswith("Pr") or tag in {f"{_WORD}del", f"{_WORD}moveFrom"}:
        return ""
    write = _FORMS.get(tag.removeprefix(MATH)) if tag.startswith(MATH) else None
    return write(element) if write else joined(map(equation, element))


def _part(element: etree._Element, name: str) -> str:
    child = element.find(MATH + name)
    return "" if child is None else equation(child).strip()


def _setting(element: etree._Element, name: str, default: str) -> str:
    found = element.find(f"{MATH}{element.tag.removeprefix(MATH)}Pr/{MATH}{name}")
    return default if found is None else found.get(f"{MATH}val", "")


def _fraction(element: etree._Element) -> str:
    above, below = _part(element, "num"), _part(element, "den")
    return f"({above} over {below})" if _setting(element, "type", "bar") == "noBar" else fraction(above, below)


def _scripts(element: etree._Element) -> str:
    return grouped(_part(element, "e")) + lowered(_part(element, "sub")) + raised(_part(element, "sup"))


def _before(element: etree._Element) -> str:
    return lowered(_part(element, "sub")) + raised(_part(element, "sup")) + grouped(_part(element, "e"))


def _root(element: etree._Element) -> str:
    return root(_part(element, "e"), _part(element, "deg"))


def _delimited(element: etree._Element) -> str:
    between = _setting(element, "sepChr", "|")
    inside = between.join(equation(child).strip() for child in element.findall(f"{MATH}e"))
    return _setting(element, "begChr", "(") + inside + _setting(element, "endChr", ")")


def _nary(element: etree._Element) -> str:
    sign = _setting(element, "chr", "∫")
    return f"{sign}{lowered(_part(element, 'sub'))}{raised(_part(element, 'sup'))} {_part(element, 'e')}"


def _function(element: etree._Element) -> str:
    argument = _part(element, "e")
    return f"{_part(element, 'fName')}{'' if argument.startswith('(') else ' '}{argument}"


def _limit(element: etree._Element) -> str:
    set_ = lowered if element.tag == f"{MATH}limLow" else raised
    return _part(element, "e") + set_(_part(element, "lim"))


def _matrix(element: etree._Element) -> str:
    return matrix([map(equation, row.findall(f"{MATH}e")) for row in element.findall(f"{MATH}mr")])


def _lines(element: etree._Element) -> str:
    return "; ".join(equation(row).strip() for row in element.findall(f"{MATH}e"))


def _accent(element: etree._Element) -> str:
    return grouped(_part(element, "e")) + _setting(element, "chr", "\u0302")


def _bar(element: etree._Element) -> str:
    return "".join(letter + "\u0305" for letter in _part(element, "e"))


_FORMS: dict[str, Callable[[etree._Element], str]] = {
    "f": _fraction,
    "sSup": _scripts,
    "sSub": _scripts,
    "sSubSup": _scripts,
    "sPre": _before,
    "rad": _root,
    "d": _delimited,
    "nary": _nary,
    "func": _function,
    "limLow": _limit,
    "limUpp": _limit,
    "m": _matrix,
    "eqArr": _lines,
    "acc": _accent,
    "bar": _bar,
}
"""How each form of OMML is written; any other one is what it holds."""
