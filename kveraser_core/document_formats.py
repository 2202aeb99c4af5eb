"""From the bytes of a DOCX, HTML or text file to its text, and the errors of all formats."""

import codecs
import io
import re
import warnings
import zipfile
from collections.abc import Iterator

from bs4 import BeautifulSoup, NavigableString, PageElement, Tag, XMLParsedAsHTMLWarning
from bs4.dammit import EncodingDetector
from charset_normalizer import CharsetMatch, from_bytes
from docx.opc.constants import CONTENT_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement

from kveraser_core.errors import KVEraserError

MAX_XML_BYTES = 64_000_000

warnings.filterwarnings("ignore", category=XMLParsedAsHTMLWarning)


class DocumentError(KVEraserError):
    """A file that cannot be read as a document."""


class EmptyDocument(DocumentError):
    """Nothing to read in it."""


class ScannedDocument(DocumentError):
    """A PDF of pictures, without a text layer."""


class EncryptedDocument(DocumentError):
    """A PDF that needs a password, or another one."""


class DamagedDocument(DocumentError):
    """A file that breaks off or contradicts itself."""


class DocumentTooLarge(DocumentError):
    """More bytes, pages or characters than are read."""


class NotADocument(DocumentError):
    """A file of some other kind."""


def damaged(title: str) -> DamagedDocument:
    return DamagedDocument(f"{title} is damaged and cannot be read: save or download it again.")


def docx_text(data: bytes, title: str) -> str:
    """Headings, paragraphs, list items and tables in order. Reads the main part only, and its size before it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if not any(name.startswith("word/") for name in archive.namelist()):
                raise NotADocument(
                    f"{title} is a ZIP archive and not a Word document: give a PDF, DOCX, HTML or text file."
                )
            types = parse_xml(_part(archive, "[Content_Types].xml", title))
            main = [
                entry.get("PartName") for entry in types if entry.get("ContentType") == CONTENT_TYPE.WML_DOCUMENT_MAIN
            ]
            if not main:
                raise NotADocument(f"{title} is a Word file with macros or a template: save it as DOCX or PDF.")
            body = parse_xml(_part(archive, (main[0] or "word/document.xml").lstrip("/"), title)).find(qn("w:body"))
        return "\n\n".join(_docx_blocks(body))
    except DocumentError:
        raise
    except Exception as error:  # zipfile and lxml pass on whatever a broken file leads them to
        raise damaged(title) from error


def _part(archive: zipfile.ZipFile, name: str, title: str) -> bytes:
    size = archive.getinfo(name).file_size
    if size > MAX_XML_BYTES:
        raise DocumentTooLarge(
            f"{title} unpacks to {size:,} bytes and the limit is {MAX_XML_BYTES:,}: give a part of it."
        )
    return archive.read(name)


_PARAGRAPH, _TABLE, _ROW, _CELL, _RUN = (qn(f"w:{name}") for name in ("p", "tbl", "tr", "tc", "r"))
_WRAPPERS = {
    qn(f"w:{name}")
    for name in (
        "sdt",
        "sdtContent",
        "customXml",
        "smartTag",
        "ins",
        "moveTo",
        "hyperlink",
        "fldSimple",
        "dir",
        "bdo",
    )
}


def _within(element: BaseOxmlElement, *tags: str) -> Iterator[BaseOxmlElement]:
    """The children with these tags, also those inside content controls, links and accepted changes."""
    for child in element:
        if child.tag in tags:
            yield child
        elif child.tag in _WRAPPERS:
            yield from _within(child, *tags)


def _docx_blocks(parent: BaseOxmlElement) -> Iterator[str]:
    for block in _within(parent, _PARAGRAPH, _TABLE):
        if block.tag == _PARAGRAPH:
            text = "".join(run.text for run in _within(block, _RUN)).strip()
        else:
            rows = ("\t".join(map(_docx_cell, _within(row, _CELL))).rstrip() for row in _within(block, _ROW))
            text = "\n".join(row for row in rows if row)
        if text:
            yield text


def _docx_cell(cell: BaseOxmlElement) -> str:
    return " ".join(" ".join(_docx_blocks(cell)).split())


_HTML = re.compile(
    r"\s*(?:(?:<\?xml[^>]*>|<!--.*?-->)\s*)*<(?:!doctype html|html|head|body)\b", re.DOTALL | re.IGNORECASE
)
_HIDDEN = {"script", "style", "template", "head", "noscript", "iframe", "object", "svg", "canvas"}
_GAPS = dict.fromkeys(("li", "tr", "dt", "dd", "tbody", "tfoot", "thead", "option"), 1) | dict.fromkeys(
    (
        "address", "article", "aside", "blockquote", "body", "caption", "details", "div", "dl", "fieldset",
        "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "main",
        "nav", "ol", "p", "pre", "section", "summary", "table", "ul",
    ),
    2,
)  # fmt: skip


def is_html(text: str) -> bool:
    """Whether `text` opens as a page does; a fragment stays text, as Markdown may begin with one."""
    return _HTML.match(text[:4000]) is not None


def html_text(source: str) -> str:
    """The visible text: a blank line between blocks, one line for an item, tabs between the cells of a row."""
    flow = _Flow()
    stack: list[tuple[PageElement, bool, bool]] = [(BeautifulSoup(source, "lxml"), False, False)]
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
    return flow.text()


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


_AS_BROWSERS_DO = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030",
    "shift_jis": "cp932", "euc_kr": "cp949",
}  # fmt: skip
_TWO_BYTES = ["gb18030", "big5", "cp949", "cp932", "euc_jp"]
_ONE_BYTE = ["cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254"]


def unmarked_text(data: bytes) -> str | None:
    """Text as its page declares, as UTF-8, or in the likeliest older encoding; `None` where none fits."""
    declared = _declared(data)
    for encoding in [declared, "utf-8"] if declared else ["utf-8"]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    if declared:
        return data.decode(declared, "replace")
    nearly = data.decode("utf-8", "replace")
    if nearly.count("\ufffd") * 4 <= sum(character > "\x7f" for character in nearly):
        return nearly
    return _likeliest(data)


def _declared(data: bytes) -> str | None:
    name = EncodingDetector.find_declared_encoding(data[:8192], is_html=True, search_entire_document=True)
    if name is None or not is_html(data[:4000].decode("latin-1")):
        return None
    try:
        known = codecs.lookup(name).name
        "".encode(known)
    except (LookupError, UnicodeError):
        return None
    if known.startswith(("utf", "unicode", "raw", "puny", "idna")):
        return "utf-8"
    return _AS_BROWSERS_DO.get(known, known)


def _likeliest(data: bytes) -> str | None:
    """By charset-normalizer's measures; what they leave open, kana, then case, then the order above decide."""
    order = [*_TWO_BYTES, *_ONE_BYTE] if re.search(rb"[\x80-\xff]{2}", data) else _ONE_BYTE
    matches = list(from_bytes(data, cp_isolation=order))
    least = min((match.chaos for match in matches), default=0.0)

    def rank(match: CharsetMatch) -> tuple[bool, bool, float, bool, int]:
        letters = [c for c in str(match)[:20_000] if c > "\x7f" and c.isalpha()]
        kana = sum("\u3041" <= c <= "\u309f" for c in letters) * 4 >= max(len(letters), 1)
        shouted = sum(map(str.isupper, letters)) * 2 > len(letters)
        place = min(order.index(name) for name in match.could_be_from_charset if name in order)
        japanese = kana and match.encoding in {"cp932", "euc_jp"}
        return not japanese, match.chaos > least + 0.03, -round(match.coherence, 2), shouted, place

    return str(min(matches, key=rank)) if matches else None
