"""Which elements of a page are not shown: by themselves, or by simple rules of its style sheets.

Of a style sheet the rules count whose selectors are one tag, classes and ids, outside of media queries; scripts,
which may show or hide anything, are not run.
"""

import re
from typing import NamedTuple

from bs4 import BeautifulSoup, Tag

NOT_TEXT = {
    "script", "style", "template", "head", "noscript", "iframe", "object", "canvas", "audio", "video", "datalist",
    "rp", "annotation", "annotation-xml", "source", "track",
}  # fmt: skip
"""Elements whose content is never shown as text where scripts run."""

_DECLARATION = re.compile(r"(?:^|;)\s*(display|visibility|opacity|font-size)\s*:\s*([^;!]+)", re.IGNORECASE)
_HIDING = {
    "display": re.compile(r"none"),
    "visibility": re.compile(r"hidden|collapse"),
    "opacity": re.compile(r"0(?:\.0*)?%?"),
    "font-size": re.compile(r"0(?:\.0*)?(?:px|pt|em|rem|%)?"),
}
_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.DOTALL)
_SELECTOR = re.compile(r"([a-z][a-z0-9]*)?((?:[.#][\w-]+)*)", re.IGNORECASE)
_MAX_SHEETS = 1_000_000
_MAX_RULES = 2_000


class _Rule(NamedTuple):
    """A selector: a tag, classes and ids; what it declares; and its rank among others that match."""

    tag: str
    classes: frozenset[str]
    ids: frozenset[str]
    hides: dict[str, bool]
    rank: tuple[int, int, int, int]

    def matches(self, tag: str, classes: set[str], identity: str) -> bool:
        return self.tag in {"", tag} and self.classes <= classes and self.ids <= {identity}


class Visibility:
    """Tells of the elements of one page whether they are shown, their ancestors being so."""

    def __init__(self, tree: BeautifulSoup) -> None:
        sheets = "\n".join(style.get_text() for style in tree.find_all("style"))[:_MAX_SHEETS]
        self._rules: dict[str, list[_Rule]] = {}
        self._known: dict[tuple[str, str, str], dict[str, bool]] = {}
        for rule in _rules(_COMMENT.sub("", sheets)):
            key = next((f"#{one}" for one in rule.ids), next((f".{one}" for one in rule.classes), rule.tag))
            self._rules.setdefault(key, []).append(rule)

    def hides(self, element: Tag) -> bool:
        attributes = element.attrs
        if "hidden" in attributes or _text(attributes.get("aria-hidden")).strip().lower() == "true":
            return True
        if element.name == "input" and _text(attributes.get("type")).strip().lower() == "hidden":
            return True
        if element.name == "dialog" and "open" not in attributes:
            return True
        if not attributes and not self._rules:
            return False
        hiding = self._by_sheets(element) if self._rules else {}
        if style := _text(attributes.get("style")):
            hiding |= _declared(style)
        return any(hiding.values())

    def _by_sheets(self, element: Tag) -> dict[str, bool]:
        asked = element.name, _text(element.get("class")), _text(element.get("id"))
        if asked not in self._known:
            self._known[asked] = self._matching(*asked)
        return self._known[asked].copy()

    def _matching(self, tag: str, names: str, identity: str) -> dict[str, bool]:
        classes = set(names.split())
        keys = [tag, f"#{identity}", *(f".{one}" for one in classes)]
        rules = [rule for key in keys for rule in self._rules.get(key, ())]
        hiding: dict[str, bool] = {}
        for rule in sorted(rules, key=lambda rule: rule.rank):
            if rule.matches(tag, classes, identity):
                hiding |= rule.hides
        return hiding


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _declared(style: str) -> dict[str, bool]:
    """Of each property that can hide whether it does."""
    found = _DECLARATION.findall(style)
    return {name.lower(): bool(_HIDING[name.lower()].fullmatch(value.strip().lower())) for name, value in found}


def _rules(sheets: str) -> list[_Rule]:
    rules: list[_Rule] = []
    depth, start, selectors = 0, 0, ""
    for brace in re.finditer(r"[{};]", sheets):
        if brace[0] == "{":
            if depth == 0:
                selectors, start = sheets[start : brace.start()], brace.end()
            depth += 1
        elif brace[0] == "}":
            depth = max(depth - 1, 0)
            if depth == 0:
                if "@" not in selectors:
                    rules += _of(selectors, sheets[start : brace.start()], len(rules))
                start = brace.end()
        elif depth == 0:  # of `@import ...;`
            start = brace.end()
    return rules[:_MAX_RULES]


def _of(selectors: str, block: str, order: int) -> list[_Rule]:
    hides = _declared(block)
    rules = []
    for selector in selectors.split(",") if hides else ():
        found = _SELECTOR.fullmatch(selector.strip())
        if found and found[0]:
            parts = re.findall(r"([.#])([\w-]+)", found[2])
            ids = frozenset(name for sign, name in parts if sign == "#")
            classes = frozenset(name for sign, name in parts if sign == ".")
            tag = (found[1] or "").lower()
            rules.append(_Rule(tag, classes, ids, hides, (len(ids), len(classes), bool(tag), order)))
    return rules
