"""The visible text of an HTML page."""

import warnings

from bs4 import BeautifulSoup, NavigableString, PageElement, Tag, XMLParsedAsHTMLWarning
from bs4.builder._lxml import LXMLTreeBuilder
from lxml.etree import ErrorTypes

from kveraser_core.documents.errors import too_large
from kveraser_core.documents.formats import Extract

MAX_TAGS = 1_000_000

warnings.filterwarnings("ignore", category=XMLParsedAsHTMLWarning)

_HIDDEN = {"script", "style", "template", "head", "noscript", "iframe", "object", "svg", "canvas"}
_GAPS = dict.fromkeys(("li", "tr", "dt", "dd", "tbody", "tfoot", "thead", "option"), 1) | dict.fromkeys(
    (
        "address", "article", "aside", "blockquote", "body", "caption", "details", "div", "dl", "fieldset",
        "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "main",
        "nav", "ol", "p", "pre", "section", "summary", "table", "ul",
    ),
    2,
)  # fmt: skip


def html_text(source: str, title: str) -> Extract:
    """The visible text: a blank line between blocks, one line for an item, tabs between the cells of a row.

    Raises `DocumentTooLarge`.
    """
    if (tags := source.count("<")) > MAX_TAGS:
        raise too_large(title, tags, MAX_TAGS, "tags")
    flow = _Flow()
    stack: list[tuple[PageElement, bool, bool]] = [(_tree(source), False, False)]
    while stack:
        node, preformatted, closing = stack.pop()
        if type(node) is NavigableString:
            flow.add(str(node), preformatted)
        if not isinstance(node, Tag) or node.name in _HIDDEN:
            continue
        flow.gap(_GAPS.get(node.name, 0))
        if closing:
            flow.space += "\t" if node.name in {"td", "th"} else ""
        elif node.name == "br":
            flow.gap(flow.lines + 1)
        else:
            stack.append((node, preformatted, True))
            inside = preformatted or node.name == "pre"
            stack.extend((child, inside, False) for child in reversed(node.contents))
    return Extract([flow.text()], [])


def _tree(source: str) -> BeautifulSoup:
    builder = LXMLTreeBuilder()
    tree = BeautifulSoup(source, builder=builder)
    # where its memory gives out, the parser leaves out the rest and says so here only
    if any(entry.type == ErrorTypes.ERR_NO_MEMORY for entry in builder.parser.feed_error_log):
        raise MemoryError
    return tree


class _Flow:
    """Text as it is laid out: gaps are asked for, and made when more text comes."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.lines = 0
        self.space = ""

    def gap(self, lines: int) -> None:
        if lines:
            self.lines, self.space = max(self.lines, lines), ""

    def add(self, text: str, preformatted: bool) -> None:
        words = text if preformatted else " ".join(text.split())
        if not preformatted and text[0].isspace() and not self.lines:
            self.space = self.space or " "
        if words:
            self.parts += ["\n" * self.lines, self.space, words]
            self.lines, self.space = 0, " " if not preformatted and text[-1].isspace() else ""

    def text(self) -> str:
        lines = [line.rstrip() for line in "".join(self.parts).split("\n")]
        kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
        return "\n".join(kept).strip("\n").removeprefix(" ")
