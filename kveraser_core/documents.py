"""A file becomes a document: one frozen string with the places where its pages begin.

What a file is, is decided by its content, never by its name. Nothing is fetched, nothing is executed.
"""

import io
import logging
import os
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pypdf
from pypdf.errors import FileNotDecryptedError

from kveraser_core.document_formats import (
    DamagedDocument,
    DocumentError,
    DocumentTooLarge,
    EmptyDocument,
    EncryptedDocument,
    NotADocument,
    ScannedDocument,
    damaged,
    docx_text,
    html_text,
    is_html,
    unmarked_text,
)

MAX_BYTES = 50_000_000
MAX_PAGES = 2_000
MAX_CHARACTERS = 5_000_000
PAGE_BREAK = "\n\n"
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
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

logging.getLogger("pypdf").setLevel(logging.CRITICAL)


class PageRangeError(DocumentError):
    """Pages that the document does not have."""


@dataclass(frozen=True)
class Document:
    """A document's text, which never changes: every offset in the program counts its characters.

    `page_starts` are the offsets at which pages begin, `(0,)` where the format has none.
    """

    text: str
    title: str
    page_starts: tuple[int, ...] = (0,)

    @property
    def page_count(self) -> int:
        return len(self.page_starts)

    def page_of(self, offset: int) -> int:
        """The page, from 1, on which the character at `offset` stands."""
        return max(bisect_right(self.page_starts, offset), 1)

    def pages(self, first: int, last: int) -> "Document":
        """The document of pages `first` to `last`, from 1, both included.

        Raises `PageRangeError`, and `EmptyDocument` where none of them has text.
        """
        if not 1 <= first <= last <= self.page_count:
            raise PageRangeError(
                f"There are no pages {first}-{last}: {self.title} has {self.page_count}, "
                "give the first and the last of those wanted."
            )
        start = self.page_starts[first - 1]
        end = len(self.text) if last == self.page_count else self.page_starts[last] - len(PAGE_BREAK)
        text = self.text[start:end]
        if not text.strip():
            raise EmptyDocument(f"Pages {first}-{last} of {self.title} have no text: give others.")
        return Document(text, self.title, tuple(at - start for at in self.page_starts[first - 1 : last]))


def load_document(path: str | os.PathLike[str], *, password: str | None = None) -> Document:
    """Read the file at `path`. Raises a `DocumentError`."""
    file = Path(path)
    try:
        size = file.stat().st_size
        if file.is_dir():
            raise DocumentError(f"{file} is a folder: give a file.")
        if not file.is_file():
            raise DocumentError(f"{file} is not an ordinary file: give one that is stored on disk.")
        if size > MAX_BYTES:
            raise DocumentTooLarge(_too_large(file.name, size, MAX_BYTES, "bytes"))
        data = file.read_bytes()
    except (OSError, ValueError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise DocumentError(f"{file} {reason}: check the path and its permissions.") from error
    return read_document(data, file.name, password=password)


def read_document(data: bytes, title: str, *, password: str | None = None) -> Document:
    """The document in `data`, the content of a file called `title`. Raises a `DocumentError`."""
    if len(data) > MAX_BYTES:
        raise DocumentTooLarge(_too_large(title, len(data), MAX_BYTES, "bytes"))
    pdf = _is_pdf(data)
    texts: list[str] = []
    starts, length = [], 0
    for page in _pdf_pages(data, title, password) if pdf else (_text(data, title),):
        texts.append(_trimmed(_normalised(page)) if pdf else _normalised(page))
        starts.append(length)
        length += len(texts[-1])
        if length > MAX_CHARACTERS:
            unit = f"characters by page {len(starts)}" if pdf else "characters"
            raise DocumentTooLarge(_too_large(title, length, MAX_CHARACTERS, unit))
        length += len(PAGE_BREAK)
    text = PAGE_BREAK.join(texts)
    if not text.strip():
        if texts and pdf:
            raise ScannedDocument(f"{title} has pages but no text layer: run text recognition (OCR) on it first.")
        raise EmptyDocument(f"{title} has no text: give a document with something to read.")
    return Document(text, title, tuple(starts))


def _is_pdf(data: bytes) -> bool:
    """Whether it opens as a PDF does, or is one behind up to a kilobyte of something else."""
    before, header, _ = data[:1024].partition(b"%PDF-")
    return bool(header) and (not before.strip(b"\xef\xbb\xbf \t\r\n") or b"startxref" in data)


def _pdf_pages(data: bytes, title: str, password: str | None) -> Iterator[str]:
    """The text layer of each page in turn. Raises a `DocumentError`, also between pages."""
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt("") and not reader.decrypt(password or ""):
            asked = "That is not the password of" if password else "A password is needed to open"
            raise EncryptedDocument(f"{asked} {title}: give its password.")
        if len(reader.pages) > MAX_PAGES:
            raise DocumentTooLarge(
                f"{title} has {len(reader.pages):,} pages and the limit is {MAX_PAGES:,}: split it and give a part."
            )
        for page in reader.pages:
            yield page.extract_text()
    except DocumentError:
        raise
    except FileNotDecryptedError as error:
        raise EncryptedDocument(f"A password is needed to open {title}: give its password.") from error
    except Exception as error:  # besides its own errors pypdf passes on whatever a broken file leads it to
        raise damaged(title) from error


def _text(data: bytes, title: str) -> str:
    if data.startswith(b"PK\x03\x04"):
        return docx_text(data, title)
    for magic, kind in _KINDS.items():
        if data.startswith(magic) and (b"\0" in data[:1024] or not magic.isalpha()):
            raise NotADocument(f"{title} is {kind}, not a document: give a PDF, DOCX, HTML or text file.")
    if data.startswith(b"{\\rtf"):
        raise NotADocument(f"{title} is an RTF file: save it as DOCX or PDF.")
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise NotADocument(f"{title} is an Office file with a password: save it without, as DOCX or PDF.")
        raise NotADocument(f"{title} is an old Office file (such as .doc): save it as DOCX or PDF.")
    text = _decoded(data, title)
    return html_text(text) if is_html(text) else text


def _decoded(data: bytes, title: str) -> str:
    """Text by its byte order mark or, without one, by what it declares and looks like."""
    marked = next((encoding for mark, encoding in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), None)
    if marked:
        try:
            text: str | None = data.decode(marked)
        except UnicodeDecodeError as error:
            raise damaged(title) from error
    else:
        text = None if b"\0" in data else unmarked_text(data)
    if text is None or sum(c < " " and c not in "\t\n\r\f\v\x1b" for c in text) * 50 > len(text) or "\0" in text:
        raise NotADocument(f"{title} is not a document: give a PDF, DOCX, HTML, Markdown or text file.")
    return text


def _normalised(text: str) -> str:
    """One kind of newline, and nothing that cannot be written as UTF-8; halves of a surrogate pair are joined."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def _trimmed(page: str) -> str:
    return "\n".join(line.rstrip() for line in page.split("\n")).strip("\n")


def _too_large(title: str, size: int, limit: int, unit: str) -> str:
    return f"{title} has {size:,} {unit} and the limit is {limit:,}: split it and give a part."


__all__ = [
    "DamagedDocument",
    "Document",
    "DocumentError",
    "DocumentTooLarge",
    "EmptyDocument",
    "EncryptedDocument",
    "NotADocument",
    "PageRangeError",
    "ScannedDocument",
    "load_document",
    "read_document",
]
