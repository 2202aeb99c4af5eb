"""A file becomes a document: one frozen string with the places where its pages begin.

What a file is, is decided by its content, never by its name. Nothing is fetched, nothing is executed.
"""

import os
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from kveraser_core.document_formats import (
    DamagedDocument,
    DocumentError,
    DocumentTooLarge,
    EmptyDocument,
    EncryptedDocument,
    Extracted,
    NotADocument,
    ScannedDocument,
    extract,
)

MAX_BYTES = 50_000_000
MAX_CHARACTERS = 5_000_000


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
        """The document of pages `first` to `last`, from 1, both included. Raises `PageRangeError`."""
        if not 1 <= first <= last <= self.page_count:
            raise PageRangeError(
                f"There are no pages {first}-{last}: {self.title} has {self.page_count}, "
                "give the first and the last of those wanted."
            )
        ends = [*self.page_starts[1:], len(self.text)]
        start = self.page_starts[first - 1]
        text = self.text[start : ends[last - 1]].rstrip()
        return Document(text, self.title, tuple(at - start for at in self.page_starts[first - 1 : last]))


def load_document(path: str | os.PathLike[str], *, password: str | None = None) -> Document:
    """Read the file at `path`. Raises a `DocumentError`."""
    file = Path(path)
    try:
        size = file.stat().st_size
        if file.is_dir():
            raise DocumentError(f"{file.name} is a folder: give a file.")
        if size > MAX_BYTES:
            raise DocumentTooLarge(_too_large(file.name, size, MAX_BYTES, "bytes"))
        data = file.read_bytes()
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise DocumentError(f"{file.name} {reason}: check the path and its permissions.") from error
    return read_document(data, file.name, password=password)


def read_document(data: bytes, title: str, *, password: str | None = None) -> Document:
    """The document in `data`, the content of a file called `title`. Raises a `DocumentError`."""
    if len(data) > MAX_BYTES:
        raise DocumentTooLarge(_too_large(title, len(data), MAX_BYTES, "bytes"))
    pages = extract(data, title, password)
    texts = [_normalised(page) for page in pages.texts]
    starts, length = [], 0
    for text in texts:
        starts.append(length)
        length += len(text) + len(pages.separator)
    text = pages.separator.join(texts)
    if len(text) > MAX_CHARACTERS:
        raise DocumentTooLarge(_too_large(title, len(text), MAX_CHARACTERS, "characters"))
    if not text.strip():
        if pages.scanned:
            raise ScannedDocument(f"{title} has pages but no text layer: run text recognition (OCR) on it first.")
        raise EmptyDocument(f"{title} has no text: give a document with something to read.")
    return Document(text, title, tuple(starts))


def _normalised(text: str) -> str:
    """One kind of newline, and nothing that cannot be written as UTF-8."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return text.encode("utf-8", "replace").decode("utf-8")


def _too_large(title: str, size: int, limit: int, unit: str) -> str:
    return f"{title} has {size:,} {unit} and the limit is {limit:,}: split it and give a part."


__all__ = [
    "DamagedDocument",
    "Document",
    "DocumentError",
    "DocumentTooLarge",
    "EmptyDocument",
    "EncryptedDocument",
    "Extracted",
    "NotADocument",
    "PageRangeError",
    "ScannedDocument",
    "load_document",
    "read_document",
]
