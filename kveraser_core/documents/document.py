"""A file becomes a document: one frozen string with the places where its pages begin.

What a file is, is decided by its content, never by its name. A file that needs a parser is parsed in a process of its
own, within 10 seconds and 1 GB.
"""

import os
from bisect import bisect_right
from dataclasses import dataclass, replace
from pathlib import Path

from kveraser_core.documents.encoding.labels import codec_asked_for
from kveraser_core.documents.errors import DocumentError, EmptyDocument, too_large
from kveraser_core.documents.formats import PAGE_BREAK, plain_text
from kveraser_core.documents.process import parse_in_child

MAX_BYTES = 50_000_000


class PageRangeError(DocumentError):
    """Pages that the document does not have."""


@dataclass(frozen=True)
class Document:
    """A document's text, which never changes: every offset in the program counts its characters.

    `page_starts` are the offsets at which pages begin, `(0,)` where the format has none. Each of the `warnings` is a
    sentence that names a place of the file whose text was left out or is unsure. `guessed_encoding` is that of a file
    that does not say its own.
    """

    text: str
    title: str
    page_starts: tuple[int, ...] = (0,)
    warnings: tuple[str, ...] = ()
    guessed_encoding: str | None = None

    @property
    def page_count(self) -> int:
        return len(self.page_starts)

    def page_at(self, offset: int) -> int:
        """The page, from 1, of the character at `offset`."""
        return bisect_right(self.page_starts, offset)

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
        starts = tuple(at - start for at in self.page_starts[first - 1 : last])
        return replace(self, text=text, page_starts=starts)


def load_document(
    path: str | os.PathLike[str], *, password: str | None = None, encoding: str | None = None
) -> Document:
    """Read the file at `path`. Raises a `DocumentError`."""
    file = Path(path)
    try:
        size = file.stat().st_size
        if file.is_dir():
            raise DocumentError(f"{file} is a folder: give a file.")
        if not file.is_file():
            raise DocumentError(f"{file} is not an ordinary file: give one that is stored on disk.")
        if size > MAX_BYTES:
            raise too_large(file.name, size, MAX_BYTES, "bytes")
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)  # it may have grown
    except (OSError, ValueError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise DocumentError(f"{file} {reason}: check the path and its permissions.") from error
    return read_document(data, file.name, password=password, encoding=encoding)


def read_document(data: bytes, title: str, *, password: str | None = None, encoding: str | None = None) -> Document:
    """The document in `data`, the content of a file called `title`. Raises a `DocumentError`.

    `encoding` is that of a text or a page, by any name that browsers or Python know, in place of what it seems to be.
    """
    if len(data) > MAX_BYTES:
        raise too_large(title, len(data), MAX_BYTES, "bytes")
    if encoding:
        codec_asked_for(encoding)
    parsed = plain_text(data, title, encoding) or parse_in_child(data, title, password, encoding)
    return Document(parsed.text, title, *parsed[1:])
