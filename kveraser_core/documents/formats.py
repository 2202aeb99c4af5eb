"""From the bytes of a file to its text, in the very process that asks.

What a file is, is decided by its content, never by its name. Nothing is fetched, nothing is executed.
The parsers of the formats are imported when a file needs them.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from kveraser_core.documents.errors import (
    DocumentError,
    EmptyDocument,
    NotADocument,
    ScannedDocument,
    damaged,
    needs_memory,
    too_large,
)

MAX_CHARACTERS = 5_000_000
PAGE_BREAK = "\n\n"


class Extract(NamedTuple):
    """What the parser of a format gives. `warnings` may grow as long as `pages` is iterated."""

    pages: Iterable[str]
    warnings: list[str]
    paged: bool = False


class Parsed(NamedTuple):
    """A document's text, the offsets at which its pages begin, and what was not read or is unsure."""

    text: str
    page_starts: tuple[int, ...]
    warnings: tuple[str, ...] = ()


_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_BYTES_A_CHARACTER = 4
_KINDS = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF87a": "a GIF picture",
    b"GIF89a": "a GIF picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"BM": "a BMP picture",
    b"RIFF": "a picture, sound or film",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\0": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
}
_ZIP = b"PK\x03\x04"
_CONTROLS = [chr(code) for code in range(1, 32) if chr(code) not in "\t\n\r\f\v\x1b"]
_HTML = re.compile(
    r"\s*+(?>(?:<\?xml[^>]*+>|<!--.*?-->)\s*+)*+<(?:!doctype html|html|head|body)\b", re.DOTALL | re.IGNORECASE
)


def plain_text(data: bytes, title: str) -> Parsed | None:
    """The text of a file that needs no parser, in a time that is bounded by its length; `None` for any other.

    Raises `NotADocument`, `DamagedDocument`, `DocumentTooLarge` and `EmptyDocument`.
    """
    if _is_pdf(data) or data.startswith(_ZIP):
        return None
    _refuse_other_kinds(data, title)
    mark = _byte_order_mark(data)
    if not mark:
        if b"\0" in data:
            raise _not_a_document(title)
        if is_html(data[:4000].decode("latin-1")):  # and may declare what encoding it has
            return None
    try:
        text = data.decode(mark or "utf-8")
    except UnicodeDecodeError as error:
        if mark:
            raise damaged(title) from error
        if len(data) > MAX_CHARACTERS * _BYTES_A_CHARACTER:
            raise too_large(title, len(data), MAX_CHARACTERS * _BYTES_A_CHARACTER, "bytes of text") from error
        return None
    if is_html(text):
        return None
    if len(text) > MAX_CHARACTERS * 2:  # every other one may be half of a newline
        raise too_large(title, len(text), MAX_CHARACTERS, "characters")
    return _laid_out(Extract([_no_binary(text, title)], []), title)


def parse(data: bytes, title: str, password: str | None = None) -> Parsed:
    """The text of any file, with the parser of its format. Raises a `DocumentError`.

    Neither its time nor its memory is bounded: this is for a process that may be killed.
    """
    try:
        if _is_pdf(data):
            from kveraser_core.documents.pdf.pages import pdf_pages

            return _laid_out(pdf_pages(data, title, password), title)
        if data.startswith(_ZIP):
            from kveraser_core.documents.docx import docx_text

            return _laid_out(docx_text(data, title), title)
        _refuse_other_kinds(data, title)
        text = _no_binary(_decoded(data), title)
        if is_html(text):
            from kveraser_core.documents.html import html_text

            return _laid_out(html_text(text, title), title)
        return _laid_out(Extract([text], []), title)
    except (DocumentError, ImportError):
        raise
    except Exception as error:  # parsers pass on whatever a broken file leads them to
        raise (needs_memory if _from_want_of_memory(error) else damaged)(title) from error


def _from_want_of_memory(error: BaseException | None) -> bool:
    while error and not isinstance(error, MemoryError):
        error = error.__cause__ or error.__context__
    return error is not None


def _laid_out(extract: Extract, title: str) -> Parsed:
    texts: list[str] = []
    starts, length = [], 0
    for page in extract.pages:
        texts.append(_trimmed(_normalised(page)) if extract.paged else _normalised(page))
        starts.append(length)
        length += len(texts[-1])
        if length > MAX_CHARACTERS:
            unit = f"characters by page {len(starts)}" if extract.paged else "characters"
            raise too_large(title, length, MAX_CHARACTERS, unit)
        length += len(PAGE_BREAK)
    text = PAGE_BREAK.join(texts)
    if not text.strip():
        if texts and extract.paged:
            raise ScannedDocument(f"{title} has pages but no text layer: run text recognition (OCR) on it first.")
        raise EmptyDocument(f"{title} has no text: give a document with something to read.")
    return Parsed(text, tuple(starts), tuple(extract.warnings))


def _is_pdf(data: bytes) -> bool:
    """Whether it opens as a PDF does, or is one after up to a kilobyte of something else."""
    before, header, _ = data[:1024].partition(b"%PDF-")
    return bool(header) and (not before.strip(b"\xef\xbb\xbf \t\r\n") or b"startxref" in data)


def is_html(text: str) -> bool:
    """Whether `text` opens as a page does; a fragment stays text, as Markdown may begin with one."""
    return _HTML.match(text[:4000]) is not None


def _refuse_other_kinds(data: bytes, title: str) -> None:
    for magic, kind in _KINDS.items():
        if data.startswith(magic) and (b"\0" in data[:1024] or not magic.isalpha()):
            raise NotADocument(f"{title} is {kind}, not a document: give a PDF, DOCX, HTML or text file.")
    if data.startswith(b"{\\rtf"):
        raise NotADocument(f"{title} is an RTF file: save it as DOCX or PDF.")
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise NotADocument(f"{title} is an Office file with a password: save it without, as DOCX or PDF.")
        raise NotADocument(f"{title} is an old Office file (such as .doc): save it as DOCX or PDF.")


def _byte_order_mark(data: bytes) -> str | None:
    """The encoding that the first bytes name."""
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), None)


def _decoded(data: bytes) -> str | None:
    """Text by its byte order mark or, without one, by what it declares and looks like."""
    if mark := _byte_order_mark(data):
        return data.decode(mark)
    if b"\0" in data:
        return None
    from kveraser_core.documents.encodings import unmarked_text

    return unmarked_text(data)


def _no_binary(text: str | None, title: str) -> str:
    """`text`, unless more than a fiftieth of it are control characters."""
    if text is None or sum(map(text.count, _CONTROLS)) * 50 > len(text) or "\0" in text:
        raise _not_a_document(title)
    return text


def _not_a_document(title: str) -> NotADocument:
    return NotADocument(f"{title} is not a document: give a PDF, DOCX, HTML, Markdown or text file.")


def _normalised(text: str) -> str:
    """One kind of newline, and nothing that cannot be written as UTF-8; halves of a surrogate pair are joined."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def _trimmed(page: str) -> str:
    return "\n".join(line.rstrip() for line in page.split("\n")).strip("\n")
