"""The visible text of an HTML page."""

import warnings
from collections.abc import Callable

from bs4 import BeautifulSoup, NavigableString, PageElement, Tag, XMLParsedAsHTMLWarning
from bs4.builder._lxml import LXMLTreeBuilder
from lxml.etree import ErrorTypes

from kveraser_core.documents.errors import too_large
from kveraser_core.documents.formats import Extract
from kveraser_core.documents.numerals import HTML as NUMERALS
from kveraser_core.documents.scripts import lowered, raised
from kveraser_core.documents.web.html_flow import Flow
from kveraser_core.documents.web.html_hidden import NOT_TEXT, Visibility
from kveraser_core.documents.web.html_math import equation

MAX_TAGS = 1_000_000

warnings.filterwarnings("ignore", category=XMLParsedAsHTMLWarning)

_GAPS = dict.fromkeys(("li", "tr", "dt", "dd", "tbody", "tfoot", "thead", "option"), 1) | dict.fromkeys(
    (
        "address", "article", "aside", "blockquote", "body", "caption", "center", "details", "dialog", "div", "dl",
        "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr",
        "html", "legend", "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table", "ul",
    ),
    2,
)  # fmt: skip
_CONTROLS = {"input", "select", "textarea", "button"}
_SCRIPTS: dict[str, Callable[[str], str]] = {"sup": raised, "sub": lowered}
_NO_TEXT_INPUTS = {"hidden", "password", "file", "image", "color", "range"}

HIDDEN = "Hidden text was left out."
READINGS = "The readings printed above characters (ruby) were left out."
DRAWINGS = "The text in drawings (SVG) was left out."


def html_text(source: str, title: str) -> Extract:
    """The visible text: a blank line between blocks, one line for an item, tabs between the cells of a row.

    Raises `DocumentTooLarge`.
    """
    if (tags := source.count("<")) > MAX_TAGS:
        raise too_large(title, tags, MAX_TAGS, "tags")
    page = _Page(_tree(source))
    return Extract([page.flow.text()], list(page.said))


def _tree(source: str) -> BeautifulSoup:
    builder = LXMLTreeBuilder(multi_valued_attributes=None)
    tree = BeautifulSoup(source, builder=builder)
    # where its memory gives out, the parser leaves out the rest and says so here only
    if any(entry.type == ErrorTypes.ERR_NO_MEMORY for entry in builder.parser.feed_error_log):
        raise MemoryError
    return tree


class _Page:
    """Walks a page; a tag is met twice, when it opens and when it closes."""

    def __init__(self, tree: BeautifulSoup) -> None:
        self.flow = Flow()
        self.said: dict[str, None] = {}
        self._visibility = Visibility(tree)
        self._lists: list[_Markers] = []
        self._raised = 0
        stack: list[tuple[PageElement, bool, bool]] = [(tree, False, False)]
        while stack:
            node, preformatted, closing = stack.pop()
            if type(node) is NavigableString:
                self.flow.add(str(node), preformatted)
            if not isinstance(node, Tag):
                continue
            if closing:
                self._close(node)
            elif self._open(node):
                stack.append((node, preformatted, True))
                inside = preformatted or node.name in {"pre", "textarea"}
                stack.extend((child, inside, False) for child in reversed(node.contents))

    def _open(self, tag: Tag) -> bool:
        """Begin what `tag` lays out; whether its content is to be read."""
        name = tag.name
        if name in NOT_TEXT or tag.get("role") == "doc-backlink":
            return False
        if self._visibility.hides(tag):
            if name != "input" and tag.get_text(strip=True):
                self.said[HIDDEN] = None
            return False
        self.flow.gap(_GAPS.get(name, 0))
        if name in _CONTROLS:
            self.flow.part()
        if name == "br":
            self.flow.gap(self.flow.lines + 1)
        elif name in {"ol", "ul", "menu", "dir"}:
            self._lists.append(_Markers(tag))
        elif name == "li":
            self.flow.marker = self._lists[-1].of(tag) if self._lists else "- "
        elif _is_mark(tag):
            self.flow.add("[", True)
            self._raised += 1
        elif name in _SCRIPTS:
            self._raised += 1
            if self._raised == 1:
                self.flow.begin()
        elif name == "q":
            self.flow.add("“", True)
        elif name in _REPLACED:
            self._replace(tag)
            if name in _CONTROLS:
                self.flow.part()
            return False
        return True

    def _close(self, tag: Tag) -> None:
        name = tag.name
        self.flow.gap(_GAPS.get(name, 0))
        if name in {"td", "th"}:
            self.flow.space += "\t"
        elif name in {"ol", "ul", "menu", "dir"}:
            self._lists.pop()
        elif name == "li":
            self.flow.marker = ""
        elif name in _CONTROLS:
            self.flow.part()
        elif _is_mark(tag):
            self.flow.add("]", True)
            self._raised -= 1
        elif name in _SCRIPTS:
            self._raised -= 1
            if self._raised == 0:
                self.flow.end(_SCRIPTS[name])
        elif name == "q":
            self.flow.add("”", True)

    def _replace(self, tag: Tag) -> None:
        """What stands for an element whose content is not its text."""
        name = tag.name
        if name == "rt":
            self.said[READINGS] = None
        elif name == "svg":
            if tag.find("text"):
                self.said[DRAWINGS] = None
        elif text := _REPLACED[name](tag):
            self.flow.add(text, False)


def _is_mark(tag: Tag) -> bool:
    """Whether it is the link to a note, which stands in brackets."""
    return tag.name == "a" and "noteref" in f"{tag.get('role', '')} {tag.get('epub:type', '')}"


def _number(tag: Tag, name: str) -> int | None:
    try:
        return int(str(tag.get(name, ""))[:9])
    except ValueError:
        return None


class _Markers:
    """What stands before the items of one list."""

    def __init__(self, tag: Tag) -> None:
        style = _list_style(tag)
        self._shown = style != "none"
        self._write = NUMERALS.get(style or str(tag.get("type", "1")), str) if tag.name == "ol" else None
        self._step = -1 if tag.has_attr("reversed") else 1
        start = _number(tag, "start")
        if start is None:
            start = 1 if self._step == 1 else len(tag.find_all("li", recursive=False))
        self._next = start

    def of(self, item: Tag) -> str:
        value = _number(item, "value")
        number = self._next if value is None else value
        self._next = number + self._step
        if not self._shown:
            return ""
        return f"{self._write(number)}. " if self._write else "- "


def _list_style(tag: Tag) -> str:
    declared = (one.partition(":") for one in str(tag.get("style", "")).lower().split(";"))
    found = [value for name, _, value in declared if name.strip() in {"list-style", "list-style-type"}]
    return found[-1].strip() if found else ""


def _input(tag: Tag) -> str:
    kind = str(tag.get("type", "text")).lower()
    if kind in {"checkbox", "radio"}:
        return "☒" if tag.has_attr("checked") else "☐"
    return "" if kind in _NO_TEXT_INPUTS else str(tag.get("value", ""))


def _select(tag: Tag) -> str:
    options = tag.find_all("option")
    chosen = [option for option in options if option.has_attr("selected")] or options[:1]
    return ", ".join(option.get_text(" ", strip=True) for option in chosen)


_REPLACED: dict[str, Callable[[Tag], str]] = {
    "img": lambda tag: str(tag.get("alt", "")),
    "input": _input,
    "select": _select,
    "math": equation,
    "rt": lambda tag: "",
    "svg": lambda tag: "",
}
