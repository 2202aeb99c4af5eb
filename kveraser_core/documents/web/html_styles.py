"""What a page's style sheets and `style` attributes declare of its elements, as far as it changes the text.

Of a sheet the rules count whose selectors are tags, classes and ids, also below each other, outside of media queries
but for those of any screen. Scripts, which may change anything, are not run.
"""

import re
from itertools import pairwise
from typing import NamedTuple

from bs4 import BeautifulSoup, Tag

_NAMES = (
    "display|visibility|opacity|font-size|color|content-visibility|clip|clip-path|text-indent|left|top|right|overflow"
    "|width|height|max-height|list-style|list-style-type|vertical-align"
    "|background|background-color|background-clip|-webkit-background-clip"
)
_DECLARATION = re.compile(rf"(?:^|;)\s*({_NAMES})\s*:\s*([^;]+)", re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.DOTALL)
_COMPOUND = re.compile(r"(\*|[a-z][a-z0-9]*)?((?:[.#][\w-]+)*)", re.IGNORECASE)
_ADDED = re.compile(r"(?:^|;)\s*content\s*:[^;]*(?:counters?\(|attr\(|[\"'][^\"'\\]*\w)", re.IGNORECASE)
_SCREENS = {"@media screen", "@media all", "@media only screen"}
_MAX_SHEETS = 1_000_000
_MAX_RULES = 2_000
_MAX_PARTS = 8

Declared = dict[str, tuple[str, bool]]
"""Of each property its value, and whether that is marked as important."""


class _Compound(NamedTuple):
    """A tag, classes and ids that one element has, and whether the compound before it is that of its parent."""

    tag: str
    classes: frozenset[str]
    ids: frozenset[str]
    child: bool

    def matches(self, tag: str, classes: set[str], identity: str) -> bool:
        return self.tag in {"", "*", tag} and self.classes <= classes and self.ids <= {identity}


class _Rule(NamedTuple):
    """Compounds from the element outwards, what the rule declares, and its rank among others that match."""

    compounds: tuple[_Compound, ...]
    declared: Declared
    rank: tuple[int, int, int, int]


class Styles:
    """The declared values of a page's elements. `adds_text` is whether a sheet puts text before or after some."""

    def __init__(self, tree: BeautifulSoup) -> None:
        self.adds_text = False
        self._rules: dict[str, list[_Rule]] = {}
        self._known: dict[tuple[str, str, str], list[_Rule]] = {}
        sheets = "\n".join(style.get_text() for style in tree.find_all("style"))[:_MAX_SHEETS]
        for rule in self._read(_COMMENT.sub("", sheets))[:_MAX_RULES]:
            own = rule.compounds[0]
            key = next((f"#{one}" for one in own.ids), next((f".{one}" for one in own.classes), own.tag or "*"))
            self._rules.setdefault(key, []).append(rule)

    def of(self, element: Tag) -> dict[str, str]:
        """The value of each property that is declared for `element`, in small letters."""
        declared: Declared = {}
        for rule in self._matching(*_named(element)) if self._rules else ():
            if len(rule.compounds) == 1 or _is_within(element, rule.compounds):
                _merge(declared, rule.declared)
        if style := text_of(element.get("style")):
            _merge(declared, _declared(style))
        return {name: value for name, (value, _) in declared.items()}

    def _matching(self, tag: str, names: str, identity: str) -> list[_Rule]:
        """The rules of which the innermost compound matches, by rank."""
        asked = tag, names, identity
        if asked not in self._known:
            classes = set(names.split())
            keys = ["*", tag, f"#{identity}", *(f".{one}" for one in classes)]
            rules = [rule for key in keys for rule in self._rules.get(key, ())]
            matching = [rule for rule in rules if rule.compounds[0].matches(tag, classes, identity)]
            self._known[asked] = sorted(matching, key=lambda rule: rule.rank)
        return self._known[asked]

    def _read(self, sheets: str) -> list[_Rule]:
        rules: list[_Rule] = []
        depth, start, selectors = 0, 0, ""
        for brace in re.finditer(r"[{};]", sheets):
            if brace[0] == "{":
                if depth == 0:
                    selectors, start = sheets[start : brace.start()].strip(), brace.end()
                depth += 1
            elif brace[0] == "}":
                depth = max(depth - 1, 0)
                if depth == 0:
                    block, start = sheets[start : brace.start()], brace.end()
                    if " ".join(selectors.lower().split()) in _SCREENS:
                        rules += self._read(block)
                    elif "@" not in selectors:
                        rules += self._of(selectors, block, len(rules))
            elif depth == 0:  # of `@import ...;`
                start = brace.end()
        return rules

    def _of(self, selectors: str, block: str, order: int) -> list[_Rule]:
        if re.search(r":(before|after)", selectors) and _ADDED.search(block):
            self.adds_text = True
        declared = _declared(block)
        rules = []
        for selector in selectors.split(",") if declared else ():
            compounds = _compounds(selector)
            if compounds:
                ids, classes = sum(len(c.ids) for c in compounds), sum(len(c.classes) for c in compounds)
                tags = sum(c.tag not in {"", "*"} for c in compounds)
                rules.append(_Rule(compounds, declared, (ids, classes, tags, order)))
        return rules


def text_of(value: object) -> str:
    return str(value or "")


def _named(element: Tag) -> tuple[str, str, str]:
    return element.name, text_of(element.get("class")), text_of(element.get("id"))


def _is_within(element: Tag, compounds: tuple[_Compound, ...]) -> bool:
    """Whether the elements around `element` match the outer compounds, each the nearest that does."""
    around = iter(element.parents)
    for inner, outer in pairwise(compounds):
        for parent in around:
            tag, names, identity = _named(parent)
            if outer.matches(tag, set(names.split()), identity):
                break
            if inner.child:
                return False
        else:
            return False
    return True


def _compounds(selector: str) -> tuple[_Compound, ...]:
    """Those of a selector, the innermost first; none where it asks for anything else."""
    compounds: list[_Compound] = []
    child = False
    for part in re.sub(r"\s*>\s*", " > ", selector).split():
        if part == ">":
            child = True
            continue
        found = _COMPOUND.fullmatch(part)
        if not found or len(compounds) == _MAX_PARTS:
            return ()
        parts = re.findall(r"([.#])([\w-]+)", found[2])
        ids, classes = (frozenset(name for sign, name in parts if sign == kind) for kind in "#.")
        compounds.append(_Compound((found[1] or "").lower(), classes, ids, child))
        child = False
    return tuple(reversed(compounds))


def _declared(block: str) -> Declared:
    values = ((name.lower(), value.lower().partition("!")) for name, value in _DECLARATION.findall(block))
    return {name: (value.strip(), "important" in mark) for name, (value, _, mark) in values}


def _merge(declared: Declared, others: Declared) -> None:
    """Let `others` prevail, but over what is more important."""
    for name, (value, important) in others.items():
        if important or not declared.get(name, ("", False))[1]:
            declared[name] = value, important
