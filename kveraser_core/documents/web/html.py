"""The visible text of an HTML page."""

import re
import warnings
from collections.abc import Callable

from bs4 import BeautifulSoup, NavigableString, PageElement, Tag, XMLParsedAsHTMLWarning
from bs4.builder._lxml import LXMLTreeBuilder
from lxml.etree import ErrorTypes

from kveraser_core.documents.beside import HIDDEN, READINGS
from kveraser_core.documents.errors import too_large
from kveraser_core.documents.formats import Extract
from kveraser_core.documents.numerals import HTML as NUMERALS
from kveraser_core.documents.scripts import lowered, raised
from kveraser_core.documents.web.html_flow import Flow
from kveraser_core.documents.web.html_hidden import NOT_TEXT, hides, unseen
from kveraser_core.documents.web.html_math import equation
from kveraser_core.documents.web.html_styles import Styles

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
_BULLETS = {"disc", "circle", "square"}
_INLINE = {"span", "font", "small", "a", "b", "i", "em", "strong"}
_ALIGNED = {"super": raised, "sub": lowered}
_NO_TEXT_INPUTS = {"hidden", "password", "file", "image", "color", "range"}

DRAWINGS = "The text in drawings (SVG) was left out."
EMBEDDED = "A page within the page (iframe) was left out."
ADDED = "Text that a style sheet adds to the page, such as numbers, was left out."


def html_text(source: str, title: str) -> Extract:
    """The visible text: a blank line between blocks, one line for an item, tabs between the cells of a row.

    Raises `DocumentTooLarge`.
    """
    if (tags := source.count("<")) > MAX_TAGS:
        raise too_large(title, tags, MAX_TAGS, "tags")
    on_white = not re.search(r"background|bgcolor|rel=.?stylesheet", source, re.IGNORECASE)
    page = _Page(_tree(source), on_white)
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

    def __init__(self, tree: BeautifulSoup, on_white: bool) -> None:
        self.flow = Flow()
        self.said: dict[str, None] = {}
        self._styles = Styles(tree)
        if self._styles.adds_text:
            self.said[ADDED] = None
        self._lists: list[_Markers] = []
        self._scripts: list[tuple[Tag, Callable[[str], str] | None]] = []
        stack: list[tuple[PageElement, bool, frozenset[str], bool]] = [(tree, False, frozenset(), False)]
        while stack:
            node, preformatted, hidden, closing = stack.pop()
            if type(node) is NavigableString:
                if not hidden:
                    self.flow.add(str(node), preformatted)
                elif node.strip():
                    self.said[HIDDEN] = None
            if not isinstance(node, Tag):
                continue
            if closing:
                self._close(node)
                continue
            declared = self._styles.of(node)
            hidden = unseen(declared, hidden, on_white)
            if self._open(node, declared, bool(hidden)):
                stack.append((node, preformatted, hidden, True))
                inside = preformatted or node.name in {"pre", "textarea"}
                stack.extend((child, inside, hidden, False) for child in reversed(node.contents))

    def _open(self, tag: Tag, declared: dict[str, str], unseen: bool) -> bool:
        """Begin what `tag` lays out; whether its content is to be read."""
        name = tag.name
        if name == "iframe" and (tag.get("src") or tag.get("srcdoc")) and not hides(tag, declared):
            self.said[EMBEDDED] = None
        if name in NOT_TEXT or tag.get("role") == "doc-backlink":
            return False
        if hides(tag, declared) or (unseen and name in _REPLACED):
            if name != "input" and tag.get_text(strip=True):
                self.said[HIDDEN] = None
            return False
        self.flow.gap(_GAPS.get(name, 0))
        if name in _CONTROLS:
            self.flow.part()
        if name == "br":
            self.flow.gap(self.flow.lines + 1)
        elif name in {"ol", "ul", "menu", "dir"}:
            self._lists.append(_Markers(tag, declared))
        elif name == "li":
            self.flow.marker = self._lists[-1].of(tag) if self._lists else "- "
        elif name in {"td", "th"}:
            self.flow.begin_cell()
        elif _is_mark(tag):
            self.flow.add("[", True)
            self._scripts.append((tag, None))
        elif script := _script(name, declared):
            if not self._scripts:
                self.flow.begin()
            self._scripts.append((tag, None if self._scripts else script))
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
        if name in {"td", "th"}:
            self.flow.end_cell()
        self.flow.gap(_GAPS.get(name, 0))
        if self._scripts and self._scripts[-1][0] is tag and (script := self._scripts.pop()[1]):
            self.flow.end(script)
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


def _script(name: str, declared: dict[str, str]) -> Callable[[str], str] | None:
    """How the letters of an element are written, if it is above or below the line."""
    aligned = declared.get("vertical-align", "") if name in _INLINE else ""
    return _SCRIPTS.get(name) or _ALIGNED.get(aligned)


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

    def __init__(self, tag: Tag, declared: dict[str, str]) -> None:
        words = f"{declared.get('list-style', '')} {declared.get('list-style-type', '')}".split()
        style = next((word for word in reversed(words) if word in {*NUMERALS, *_BULLETS, "none", "decimal"}), "")
        self._shown = style != "none"
        numbered = style not in _BULLETS if style or tag.name == "ol" else False
        self._write = NUMERALS.get(style or str(tag.get("type", "1")), str) if numbered else None
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
