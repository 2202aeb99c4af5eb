"""The text of an electronic book (EPUB): its chapters in the order of its spine, each with the reader of HTML."""

import posixpath
from collections.abc import Iterator

from kveraser_core.documents.errors import NotADocument
from kveraser_core.documents.formats import Extract, File, extracted
from kveraser_core.documents.office.package import Package

_CONTAINER = "META-INF/container.xml"
_LOCKED = "META-INF/encryption.xml"
_CHAPTERS = {"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"}


def epub_text(package: Package) -> Extract:
    """The chapters. Raises `NotADocument` for a protected book or, in a broken file, anything."""
    warnings: list[str] = []
    return Extract(["\n\n".join(text for text in _chapters(package, warnings) if text)], warnings)


def _chapters(package: Package, warnings: list[str]) -> Iterator[str]:
    root = next(package.tree(_CONTAINER).iter("{*}rootfile")).get("full-path", "")
    book = package.tree(root)
    items = {item.get("id"): item for item in book.iterfind("{*}manifest/{*}item")}
    locked = package.read(_LOCKED).decode("utf-8", "replace") if _LOCKED in package else ""
    for reference in book.iterfind("{*}spine/{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is None or item.get("media-type") not in _CHAPTERS:
            warnings.append(f"The part {reference.get('idref', '')[:60]} of the book is no text and was left out.")
            continue
        href = item.get("href", "")
        part = package.resolved(posixpath.dirname(root), href)
        if part is None:
            warnings.append(f"The chapter {href[:100]} is not in the file and was left out.")
            continue
        if f'"{part}"' in locked:
            raise NotADocument(f"{package.title} is a book that is protected (DRM): give one that is not.")
        extract = extracted(File(package.read(part), part))
        warnings += [f"In the chapter {part}: {warning}" for warning in extract.warnings]
        yield "\n\n".join(extract.pages).strip()
