"""Which format a ZIP package is, by what it says it holds, and its text by the reader of that format."""

from collections.abc import Callable

from kveraser_core.documents.errors import NotADocument
from kveraser_core.documents.formats import Extract
from kveraser_core.documents.kinds import READ
from kveraser_core.documents.office.package import Package


def _docx(package: Package, main: str, data: bytes) -> Extract:
    from kveraser_core.documents.office.docx import docx_text

    return docx_text(package, main)


def _pptx(package: Package, main: str, data: bytes) -> Extract:
    from kveraser_core.documents.office.pptx import pptx_text

    return pptx_text(package, main)


def _xlsx(package: Package, main: str, data: bytes) -> Extract:
    from kveraser_core.documents.office.xlsx import xlsx_text

    return xlsx_text(package, data)


def _epub(package: Package, main: str, data: bytes) -> Extract:
    from kveraser_core.documents.office.epub import epub_text

    return epub_text(package)


def _odt(package: Package, main: str, data: bytes) -> Extract:
    from kveraser_core.documents.office.odt import odt_text

    return odt_text(package)


_XML = "application/vnd.openxmlformats-officedocument."
_READERS: dict[str, Callable[[Package, str, bytes], Extract]] = {
    f"{_XML}wordprocessingml.document.main+xml": _docx,
    f"{_XML}presentationml.presentation.main+xml": _pptx,
    f"{_XML}presentationml.slideshow.main+xml": _pptx,
    f"{_XML}spreadsheetml.sheet.main+xml": _xlsx,
    "application/epub+zip": _epub,
    "application/vnd.oasis.opendocument.text": _odt,
    "application/vnd.oasis.opendocument.text-template": _odt,
}
"""By the content type of the main part of an Office package, or by that of the whole package."""

_NOT_READ = {
    "word/": "a Word file with macros or a template: save it as DOCX or PDF.",
    "ppt/": "a PowerPoint file with macros or a template: save it as PPTX or PDF.",
    "xl/": "an Excel file with macros, a template or a binary workbook: save it as XLSX, CSV or PDF.",
    "Index/Document.iwa": "a Pages, Numbers or Keynote file: export it as DOCX, XLSX or PDF.",
    "Index.zip": "a Pages, Numbers or Keynote file: export it as DOCX, XLSX or PDF.",
    "FixedDocSeq.fdseq": "an XPS file: save it as PDF.",
    "AndroidManifest.xml": f"an Android program, not a document: give {READ}.",
    "META-INF/MANIFEST.MF": f"a Java program, not a document: give {READ}.",
}
_NOT_READ_TYPES = {
    "spreadsheet": "an OpenDocument spreadsheet: save it as XLSX, CSV or PDF.",
    "presentation": "an OpenDocument presentation: save it as PPTX or PDF.",
    "graphics": "an OpenDocument drawing: save it as PDF.",
}
_TYPES = "[Content_Types].xml"


def archive_text(data: bytes, title: str) -> Extract:
    """The text of the document in the package `data`. Raises a `DocumentError` or, in a broken file, anything."""
    package = Package(data, title)
    for part, kind in _types(package).items():
        if kind in _READERS:
            return _READERS[kind](package, part, data)
        for word, said in _NOT_READ_TYPES.items():
            if kind == f"application/vnd.oasis.opendocument.{word}":
                raise NotADocument(f"{title} is {said}")
    for start, said in _NOT_READ.items():
        if any(name.startswith(start) for name in package.names) and (_TYPES in package or "." in start):
            raise NotADocument(f"{title} is {said}")
    raise NotADocument(f"{title} is a ZIP archive and not a document: give {READ}.")


def _types(package: Package) -> dict[str, str]:
    """The content types of the package and of its parts."""
    if "mimetype" in package:
        return {"": package.read("mimetype").decode("latin-1").strip()}
    if "META-INF/container.xml" in package:
        return {"": "application/epub+zip"}
    if _TYPES in package or any(name.startswith("word/") for name in package.names):
        return package.content_types()
    return {}
