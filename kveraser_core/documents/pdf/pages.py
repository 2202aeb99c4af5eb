"""The text of a PDF, page by page, and what of it was not read."""

import io
import logging
import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pypdf
from pypdf.errors import FileNotDecryptedError, LimitReachedError
from pypdf.generic import StreamObject

from kveraser_core.documents.errors import DocumentTooSlow, EncryptedDocument, too_large
from kveraser_core.documents.formats import MAX_CHARACTERS, Extract
from kveraser_core.documents.pdf.annotations import annotations, place
from kveraser_core.documents.pdf.columns import columns_in_turn
from kveraser_core.documents.pdf.content import PageContent, Run, form_content, page_content
from kveraser_core.documents.pdf.fonts import Font
from kveraser_core.documents.pdf.heads import without_heads
from kveraser_core.documents.pdf.lines import Line, lines_of
from kveraser_core.documents.pdf.paragraphs import paragraphs, words_within
from kveraser_core.documents.pdf.warnings import PageWarnings

MAX_PAGES = 2_000
MAX_PAGE_SECONDS = 3.0
_OUTSIDE = 2.0
"""How far beside its page, in points, text is still on it."""

logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def pdf_pages(data: bytes, title: str, password: str | None) -> Extract:
    """The text of each page. A page that cannot be read is left out and named.

    Raises a `DocumentError` or, in a broken file, anything.
    """
    pypdf.overwrite_configuration(jbig2dec_binary=None)  # pypdf would run this program on what the file holds
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt("") and not reader.decrypt(password or ""):
            asked = "That is not the password of" if password else "A password is needed to open"
            raise EncryptedDocument(f"{asked} {title}: give its password.")
        if len(reader.pages) > MAX_PAGES:
            raise too_large(title, len(reader.pages), MAX_PAGES, "pages")
        warnings = PageWarnings()
        pages = _read(reader, title, warnings)
        if not any(pages) and warnings.failures:
            raise warnings.failures[0]
        warnings.about_document(reader)
    except FileNotDecryptedError as error:
        raise EncryptedDocument(f"A password is needed to open {title}: give its password.") from error
    pages, heads = without_heads(pages)
    warnings.heads = heads
    words = words_within(line for lines in pages for line in lines)
    return Extract([paragraphs(lines, words) for lines in pages], warnings.sentences(), paged=True)


def _read(reader: pypdf.PdfReader, title: str, warnings: PageWarnings) -> list[list[Line]]:
    """The lines of every page. Raises `DocumentTooLarge` once they have too many characters."""
    pages: list[list[Line]] = []
    fonts: dict[int, Font] = {}
    characters = 0

    def drawn(form: StreamObject) -> str:
        return " ".join(line.text for line in lines_of(form_content(form, reader, fonts).runs))

    for number, page in enumerate(reader.pages, 1):
        lines: list[Line] = []
        try:
            with _time_limit():
                lines = _page_lines(page, page_content(page, reader, fonts), drawn, number, warnings)
        except (FileNotDecryptedError, MemoryError):
            raise
        except _OutOfTime:
            warnings.failed("too slow to read", number, DocumentTooSlow(
                f"Page {number} of {title} takes too long to read: save it anew, or give a part of it."
            ))  # fmt: skip
        except LimitReachedError as error:
            warnings.failed("too large to read", number, error)
        except Exception as error:  # a broken page costs itself only
            warnings.failed("damaged", number, error)
        pages.append(lines)
        characters += sum(len(cell.text) for line in lines for cell in line.cells)
        if characters > MAX_CHARACTERS:
            raise too_large(title, characters, MAX_CHARACTERS, f"characters by page {number}")
    return pages


def _page_lines(
    page: pypdf.PageObject,
    content: PageContent,
    drawn: Callable[[StreamObject], str],
    number: int,
    warnings: PageWarnings,
) -> list[Line]:
    runs = _seen(content, page, number, warnings)
    if not runs and content.pictures:
        warnings.note("picture", number)
    lines, side_by_side = columns_in_turn(lines_of(runs))
    if side_by_side:
        warnings.note("columns", number)
    turned = page.rotation % 360 if page.rotation else 0
    angle = turned if any(run.angle == turned for run in runs) else 0
    for kind, run in annotations(page, drawn, angle):
        warnings.note(kind, number)
        if run and kind != "comment":
            place(run, lines)
    if content.forms_left_out:
        warnings.note("forms", number)
    if content.fonts_missing:
        warnings.note("fonts", number)
    for font in content.unreadable_fonts:
        warnings.unreadable(font, number)
    return lines


def _seen(content: PageContent, page: pypdf.PageObject, number: int, warnings: PageWarnings) -> list[Run]:
    """The runs that a reader of the page sees. Invisible ones are read where they say what a picture shows."""
    box = page.cropbox
    left, right = float(box.left) - _OUTSIDE, float(box.right) + _OUTSIDE
    low, high = float(box.bottom) - _OUTSIDE, float(box.top) + _OUTSIDE

    def inside(run: Run) -> bool:
        cos, sin = math.cos(math.radians(run.angle)), math.sin(math.radians(run.angle))
        across = sorted(at * cos - run.base * sin for at in (run.left, run.right))
        up = sorted(at * sin + run.base * cos for at in (run.left, run.right))
        return across[1] >= left and across[0] <= right and up[1] > low and up[0] < high

    on_page = [run for run in content.runs if inside(run)]
    if any(run.text.strip() for run in content.runs if not inside(run)):
        warnings.note("outside", number)
    visible = [run for run in on_page if not run.hidden]
    hidden = sum(len(run.text.strip()) for run in on_page if run.hidden)
    if content.pictures and hidden > sum(len(run.text.strip()) for run in visible):
        warnings.note("recognised", number)
        return on_page
    if hidden:
        warnings.note("hidden", number)
    return visible


class _OutOfTime(BaseException):
    """Raised in the middle of whatever a page's parser does, which catches every `Exception` in places."""


@contextmanager
def _time_limit() -> Iterator[None]:
    """Raise `_OutOfTime` after `MAX_PAGE_SECONDS` of processor time, where the system can do that."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: Any) -> None:
        raise _OutOfTime

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, MAX_PAGE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
