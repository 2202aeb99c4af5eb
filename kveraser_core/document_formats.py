"""From the bytes of a PDF, DOCX, HTML, Markdown or text file to the text of its pages."""

import io
import logging
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import docx
import pypdf
from bs4 import BeautifulSoup, Comment, NavigableString, PageElement, Tag
from charset_normalizer import from_bytes
from docx.document import Document as DocxDocument
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph
from pypdf.errors import FileNotDecryptedError, PyPdfError

from kveraser_core.errors import KVEraserError

MAX_PAGES = 2_000
MAX_UNPACKED_BYTES = 300_000_000

logging.getLogger("pypdf").setLevel(logging.CRITICAL)


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


@dataclass(frozen=True)
class Extracted:
    """The texts of the pages, what joins them, and whether they are pictures only."""

    texts: list[str]
    separator: str = ""
    scanned: bool = False


_KINDS = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"\xd0\xcf\x11\xe0": "an old Office file; save it as DOCX or PDF",
    b"{\\rtf": "an RTF file; save it as DOCX or PDF",
}
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


def extract(data: bytes, title: str, password: str | None) -> Extracted:
    """The pages of the file. Raises a `DocumentError`."""
    if b"%PDF-" in data[:1024]:
        return _pdf(data, title, password)
    if data.startswith(b"PK\x03\x04"):
        return Extracted([_docx(data, title)])
    for magic, kind in _KINDS.items():
        if data.startswith(magic):
            raise NotADocument(f"{title} is {kind}, not a document: give a PDF, DOCX, HTML or text file.")
    text = _decode(data, title)
    opening = text.lstrip()[:1000].lower()
    if opening.startswith(("<!doctype html", "<html", "<head", "<body")) or (
        opening.startswith("<") and "<html" in opening
    ):
        return Extracted([_html(data if b"charset" in data[:2048] else text)])
    return Extracted([text])


def _pdf(data: bytes, title: str, password: str | None) -> Extracted:
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(password or ""):
            asked = "is not the password of" if password else "is needed to open"
            raise EncryptedDocument(f"{'That' if password else 'A password'} {asked} {title}: give its password.")
        if len(reader.pages) > MAX_PAGES:
            raise DocumentTooLarge(
                f"{title} has {len(reader.pages):,} pages and the limit is {MAX_PAGES:,}: split it and give a part."
            )
        texts = [_trimmed(page.extract_text()) for page in reader.pages]
    except FileNotDecryptedError as error:
        raise EncryptedDocument(f"A password is needed to open {title}: give its password.") from error
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, OSError) as error:
        raise _damaged(title) from error
    except (RecursionError, MemoryError, OverflowError, NotImplementedError, AssertionError) as error:
        raise _damaged(title) from error
    return Extracted(texts, "\n\n", scanned=bool(texts))


def _trimmed(page: str) -> str:
    return "\n".join(line.rstrip() for line in page.splitlines()).strip()


def _damaged(title: str) -> DamagedDocument:
    return DamagedDocument(f"{title} is damaged and cannot be read: save or download it again.")


def _docx(data: bytes, title: str) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if "word/document.xml" not in names:
            raise NotADocument(
                f"{title} is a ZIP archive and not a Word document: give a PDF, DOCX, HTML or text file."
            )
        if unpacked > MAX_UNPACKED_BYTES:
            raise DocumentTooLarge(
                f"{title} unpacks to {unpacked:,} bytes and the limit is {MAX_UNPACKED_BYTES:,}: give a part of it."
            )
        return "\n\n".join(_docx_blocks(docx.Document(io.BytesIO(data))))
    except DocumentError:
        raise
    except Exception as error:  # python-docx passes on whatever its XML and ZIP readers meet
        raise _damaged(title) from error


def _docx_blocks(document: DocxDocument) -> Iterator[str]:
    for block in document.iter_inner_content():
        if isinstance(block, Paragraph):
            if block.text.strip():
                yield block.text.strip()
        elif isinstance(block, Table):
            rows = ["\t".join(_docx_cells(row.cells)) for row in block.rows]
            yield "\n".join(row for row in rows if row.strip())


def _docx_cells(cells: Sequence[_Cell]) -> Iterator[str]:
    """The text of each cell once, though a merged one stands in several columns."""
    seen = set()
    for cell in cells:
        if cell._tc not in seen:
            seen.add(cell._tc)
            yield " ".join(cell.text.split())


_HIDDEN = {"script", "style", "template", "head", "noscript", "iframe", "object", "svg", "canvas"}
_BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption",
    "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main", "nav",
    "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "title", "tr", "ul",
}  # fmt: skip
_TIGHT = {"li", "tr", "dt", "dd"}


def _html(source: bytes | str) -> str:
    """The visible text: a blank line between blocks, one line for an item or a row of a table."""
    soup = BeautifulSoup(source, "lxml")
    pieces: list[str] = []
    stack: list[PageElement | str] = [soup]
    while stack:
        node = stack.pop()
        if isinstance(node, str) and not isinstance(node, NavigableString):
            pieces.append(node)
        elif isinstance(node, NavigableString):
            if type(node) is NavigableString and not isinstance(node, Comment):
                preserved = node.find_parent("pre") is not None
                pieces.append(str(node) if preserved else _folded(str(node)))
        elif isinstance(node, Tag) and node.name not in _HIDDEN:
            if node.name == "br":
                pieces.append("\n")
            edge = "" if node.name not in _BLOCKS else "\n" if node.name in _TIGHT else "\n\n"
            edge = "\t" if node.name in {"td", "th"} else edge
            stack += [edge, *reversed(list(node.children)), edge if edge != "\t" else ""]
    return _tidy("".join(pieces))


def _folded(text: str) -> str:
    """White space as a browser shows it: one space for any run."""
    words = " ".join(text.split())
    before = " " if text[:1].isspace() else ""
    after = " " if text[-1:].isspace() and words else ""
    return before + words + after


def _tidy(text: str) -> str:
    lines = [line.strip() for line in text.split("\n")]
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip()


def _decode(data: bytes, title: str) -> str:
    """Text in whatever encoding: by its byte order mark, as UTF-8, or by the likeliest 8-bit encoding."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                raise _damaged(title) from error
    binary = NotADocument(f"{title} is not a document: give a PDF, DOCX, HTML, Markdown or text file.")
    if b"\0" in data:
        raise binary
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        guess = from_bytes(data).best()
        if guess is None:
            raise binary from None
        text = str(guess)
    control = sum(ord(character) < 32 and character not in "\t\n\r\f\v\x1b" for character in text)
    if control * 50 > len(text):
        raise binary
    return text
