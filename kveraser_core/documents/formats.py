"""From the bytes of a file to its text, in the very process that asks.

What a file is, is decided by its content, never by its name. Nothing is fetched, nothing is executed.
The parsers of the formats are imported when a file needs them.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from kveraser_core.documents.encoding.decoding import byte_order_mark, decoded, no_binary
from kveraser_core.documents.encoding.invisible import without_invisible
from kveraser_core.documents.errors import (
    DocumentError,
    EmptyDocument,
    ScannedDocument,
    damaged,
    needs_memory,
    too_large,
)
from kveraser_core.documents.kinds import is_html, is_mail, is_pdf, is_rtf, is_zip, refuse_other_kinds

MAX_CHARACTERS = 5_000_000
PAGE_BREAK = "\n\n"
_BYTES_A_CHARACTER = 4


class File(NamedTuple):
    """A file to parse: its content, its name for messages, and what the user said of it."""

    data: bytes
    title: str
    password: str | None = None
    encoding: str | None = None


class Extract(NamedTuple):
    """What the parser of a format gives. `warnings` may grow as long as `pages` is iterated."""

    pages: Iterable[str]
    warnings: list[str]
    paged: bool = False
    guessed_encoding: str | None = None


class Parsed(NamedTuple):
    """A document's text, the offsets at which its pages begin, what was not read, and the encoding, if guessed."""

    text: str
    page_starts: tuple[int, ...]
    warnings: tuple[str, ...] = ()
    guessed_encoding: str | None = None


def _pdf(file: File) -> Extract:
    from kveraser_core.documents.pdf.pages import pdf_pages

    return pdf_pages(file.data, file.title, file.password)


def _archive(file: File) -> Extract:
    from kveraser_core.documents.office.archive import archive_text

    return archive_text(file.data, file.title)


def _rtf(file: File) -> Extract:
    from kveraser_core.documents.office.rtf import rtf_text

    return rtf_text(file.data, file.title)


def _mail(file: File) -> Extract:
    from kveraser_core.documents.web.mail import mail_text

    return mail_text(file.data, file.title)


def _text(file: File) -> Extract:
    found = decoded(file.data, file.title, file.encoding)
    if found is None or (not file.encoding and not byte_order_mark(file.data) and is_html(found.text)):
        from kveraser_core.documents.encoding.encodings import unmarked_text

        found = unmarked_text(file.data, file.title)
    text = no_binary(found.text, file.title)
    if not is_html(text):
        return Extract([text], found.warnings, guessed_encoding=found.guessed)
    from kveraser_core.documents.web.html import html_text

    page = html_text(text, file.title)
    return page._replace(warnings=[*found.warnings, *page.warnings], guessed_encoding=found.guessed)


_PARSED: tuple[tuple[Callable[[bytes], bool], Callable[[File], Extract]], ...] = (
    (is_pdf, _pdf),
    (is_zip, _archive),
    (is_rtf, _rtf),
    (is_mail, _mail),
)
"""What each kind of file is read by; whatever is none of them is text, or refused."""


def plain_text(data: bytes, title: str, encoding: str | None = None) -> Parsed | None:
    """The text of a file that needs no parser, in a time that is bounded by its length; `None` for any other.

    Raises `NotADocument`, `DamagedDocument`, `DocumentTooLarge`, `EmptyDocument`, and `DocumentError` for an encoding
    that does not exist.
    """
    if any(recognises(data) for recognises, _ in _PARSED):
        return None
    refuse_other_kinds(data, title)
    if not encoding and not byte_order_mark(data) and is_html(data[:100_000].decode("latin-1")):
        return None  # it may declare what encoding it has
    found = decoded(data, title, encoding)
    if found is None:
        if len(data) > MAX_CHARACTERS * _BYTES_A_CHARACTER:
            raise too_large(title, len(data), MAX_CHARACTERS * _BYTES_A_CHARACTER, "bytes of text")
        return None
    if is_html(found.text):
        return None
    if len(found.text) > MAX_CHARACTERS * 2:  # every other one may be half of a newline
        raise too_large(title, len(found.text), MAX_CHARACTERS, "characters")
    return _laid_out(Extract([found.text], found.warnings), title)


def parse(data: bytes, title: str, password: str | None = None, encoding: str | None = None) -> Parsed:
    """The text of any file, with the parser of its format. Raises a `DocumentError`.

    Neither its time nor its memory is bounded: this is for a process that may be killed.
    """
    try:
        return _laid_out(extracted(File(data, title, password, encoding)), title)
    except (DocumentError, ImportError):
        raise
    except Exception as error:  # parsers pass on whatever a broken file leads them to
        raise (needs_memory if from_want_of_memory(error) else damaged)(title) from error


def extracted(file: File) -> Extract:
    """What the parser of its format gives, before it is normalised. Raises a `DocumentError` or anything."""
    read = next((read for recognises, read in _PARSED if recognises(file.data)), None)
    if read:
        return read(file)
    refuse_other_kinds(file.data, file.title)
    return _text(file)


def from_want_of_memory(error: BaseException | None) -> bool:
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
    return Parsed(text, tuple(starts), tuple(dict.fromkeys(extract.warnings)), extract.guessed_encoding)


def _normalised(text: str) -> str:
    """One kind of newline, nothing that is invisible, and nothing that cannot be written as UTF-8.

    Halves of a surrogate pair are joined.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return without_invisible(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore"))


def _trimmed(page: str) -> str:
    return "\n".join(line.rstrip() for line in page.split("\n")).strip("\n")
