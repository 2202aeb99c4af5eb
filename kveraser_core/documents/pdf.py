"""The text layer of a PDF, page by page."""

import io
import logging
from collections.abc import Iterator

import pypdf
from pypdf.errors import FileNotDecryptedError

from kveraser_core.documents.errors import EncryptedDocument, too_large
from kveraser_core.documents.formats import Extract

MAX_PAGES = 2_000

logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def pdf_pages(data: bytes, title: str, password: str | None) -> Extract:
    """The text of each page, with warnings. Raises what `_pages` raises while its pages are iterated."""
    return Extract(_pages(data, title, password), [], paged=True)


def _pages(data: bytes, title: str, password: str | None) -> Iterator[str]:
    """The text of each page in turn. Raises a `DocumentError` or, in a broken file, anything; also between pages."""
    pypdf.overwrite_configuration(jbig2dec_binary=None)  # pypdf would run this program on what the file holds
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt("") and not reader.decrypt(password or ""):
            asked = "That is not the password of" if password else "A password is needed to open"
            raise EncryptedDocument(f"{asked} {title}: give its password.")
        if len(reader.pages) > MAX_PAGES:
            raise too_large(title, len(reader.pages), MAX_PAGES, "pages")
        for page in reader.pages:
            yield page.extract_text()
    except FileNotDecryptedError as error:
        raise EncryptedDocument(f"A password is needed to open {title}: give its password.") from error
