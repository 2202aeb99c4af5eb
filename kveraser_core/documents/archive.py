"""Which format a ZIP package is, by what it says it holds, and its text by the reader of that format."""

from collections.abc import Callable

from kveraser_core.documents.docx import docx_text
from kveraser_core.documents.errors import NotADocument
from kveraser_core.documents.formats import Extract
from kveraser_core.documents.kinds import READ
from kveraser_core.documents.package import Package

_OFFICE: dict[str, Callable[[Package, str], Extract]] = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml": docx_text,
}
_NOT_READ = {
    "word": "a Word file with macros or a template: save it as DOCX or PDF.",
}
_TYPES = "[Content_Types].xml"


def archive_text(data: bytes, title: str) -> Extract:
    """The text of the document in the package `data`. Raises a `DocumentError` or, in a broken file, anything."""
    package = Package(data, title)
    office = next(
        (folder for folder in _NOT_READ if any(name.startswith(f"{folder}/") for name in package.names)), ""
    )
    if not office or (office != "word" and _TYPES not in package):
        raise NotADocument(f"{title} is a ZIP archive and not a document: give {READ}.")
    for part, kind in package.content_types().items():
        if kind in _OFFICE:
            return _OFFICE[kind](package, part)
    raise NotADocument(f"{title} is {_NOT_READ[office]}")
