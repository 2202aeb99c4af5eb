"""The text of a Word document."""

import io
import zipfile
from collections.abc import Iterator

from docx.opc.constants import CONTENT_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement
from lxml.etree import ErrorTypes, XMLSyntaxError

from kveraser_core.documents.errors import DocumentTooLarge, NotADocument, too_large
from kveraser_core.documents.formats import Extract

MAX_XML_BYTES = 64_000_000
MAX_TAGS = 8_000_000


def docx_text(data: bytes, title: str) -> Extract:
    """Headings, paragraphs, list items and tables in order. Reads the main part only, and its size before it.

    Raises a `DocumentError` or, in a broken file, anything.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if not any(name.startswith("word/") for name in archive.namelist()):
            raise NotADocument(
                f"{title} is a ZIP archive and not a Word document: give a PDF, DOCX, HTML or text file."
            )
        types = _tree(_part(archive, "[Content_Types].xml", title), title)
        main = [
            entry.get("PartName") for entry in types if entry.get("ContentType") == CONTENT_TYPE.WML_DOCUMENT_MAIN
        ]
        if not main:
            raise NotADocument(f"{title} is a Word file with macros or a template: save it as DOCX or PDF.")
        body = _tree(_part(archive, (main[0] or "word/document.xml").lstrip("/"), title), title).find(qn("w:body"))
    return Extract(["\n\n".join(_docx_blocks(body))], [])


def _part(archive: zipfile.ZipFile, name: str, title: str) -> bytes:
    size = archive.getinfo(name).file_size
    if size > MAX_XML_BYTES:
        raise DocumentTooLarge(
            f"{title} unpacks to {size:,} bytes and the limit is {MAX_XML_BYTES:,}: give a part of it."
        )
    return archive.read(name)


def _tree(xml: bytes, title: str) -> BaseOxmlElement:
    if (tags := xml.count(b"<")) > MAX_TAGS:
        raise too_large(title, tags, MAX_TAGS, "tags")
    try:
        return parse_xml(xml)
    except XMLSyntaxError as error:
        if error.code == ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        raise


_PARAGRAPH, _TABLE, _ROW, _CELL, _RUN = (qn(f"w:{name}") for name in ("p", "tbl", "tr", "tc", "r"))
_WRAPPERS = {
    qn(f"w:{name}")
    for name in (
        "sdt",
        "sdtContent",
        "customXml",
        "smartTag",
        "ins",
        "moveTo",
        "hyperlink",
        "fldSimple",
        "dir",
        "bdo",
    )
}


def _within(element: BaseOxmlElement, *tags: str) -> Iterator[BaseOxmlElement]:
    """The children with these tags, also those inside content controls, links and accepted changes."""
    for child in element:
        if child.tag in tags:
            yield child
        elif child.tag in _WRAPPERS:
            yield from _within(child, *tags)


def _docx_blocks(parent: BaseOxmlElement) -> Iterator[str]:
    for block in _within(parent, _PARAGRAPH, _TABLE):
        if block.tag == _PARAGRAPH:
            text = "".join(run.text for run in _within(block, _RUN)).strip()
        else:
            rows = ("\t".join(map(_docx_cell, _within(row, _CELL))).rstrip() for row in _within(block, _ROW))
            text = "\n".join(row for row in rows if row)
        if text:
            yield text


def _docx_cell(cell: BaseOxmlElement) -> str:
    return " ".join(" ".join(_docx_blocks(cell)).split())
