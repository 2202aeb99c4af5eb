"""The parts of a ZIP package (Office, OpenDocument, EPUB) and the trees of those that are XML.

Sizes are checked before anything is unpacked, and entities are never followed.
"""

import io
import posixpath
import zipfile
from typing import NamedTuple
from urllib.parse import unquote

from lxml import etree

from kveraser_core.documents.errors import DocumentTooLarge, NotADocument, too_large

MAX_XML_BYTES = 64_000_000
"""Bytes unpacked of one package, in all."""
MAX_TAGS = 8_000_000
_STRICT = {
    b"http://purl.oclc.org/ooxml/wordprocessingml/main": b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    b"http://purl.oclc.org/ooxml/presentationml/main": b"http://schemas.openxmlformats.org/presentationml/2006/main",
    b"http://purl.oclc.org/ooxml/spreadsheetml/main": b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    b"http://purl.oclc.org/ooxml/drawingml/main": b"http://schemas.openxmlformats.org/drawingml/2006/main",
    b"http://purl.oclc.org/ooxml/drawingml/": b"http://schemas.openxmlformats.org/drawingml/2006/",
    b"http://purl.oclc.org/ooxml/officeDocument/math": b"http://schemas.openxmlformats.org/officeDocument/2006/math",
    b"http://purl.oclc.org/ooxml/officeDocument/relationships": (
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    ),
}
"""The namespaces of Strict Open XML, and what Office writes by default in their place."""


class Relation(NamedTuple):
    """What a part names: its kind, such as `footnotes`, and the name of the part, `None` outside the package."""

    kind: str
    part: str | None


class Package:
    """An archive opened for reading. Raises what zipfile and lxml raise, and `DocumentTooLarge`."""

    def __init__(self, data: bytes, title: str) -> None:
        self.title = title
        self._archive = zipfile.ZipFile(io.BytesIO(data))
        self.names = self._archive.namelist()
        self._unpacked = 0

    def __contains__(self, name: str) -> bool:
        return name in self._archive.NameToInfo

    def read(self, name: str) -> bytes:
        """The part called `name`. Raises `KeyError`, `DocumentTooLarge` and `NotADocument`."""
        entry = self._archive.getinfo(name)
        if entry.flag_bits & 1:
            raise NotADocument(f"{self.title} is an archive with a password: save it without one.")
        self.take(entry.file_size)
        return self._archive.read(name)

    def take(self, size: int) -> None:
        """Count `size` bytes as unpacked. Raises `DocumentTooLarge`."""
        self._unpacked += size
        if self._unpacked > MAX_XML_BYTES:
            raise DocumentTooLarge(
                f"{self.title} unpacks to {self._unpacked:,} bytes and the limit is {MAX_XML_BYTES:,}: "
                "give a part of it."
            )

    def tree(self, name: str) -> etree._Element:
        return self.parsed(self.read(name))

    def parsed(self, xml: bytes) -> etree._Element:
        """The root of `xml`, with the usual namespaces in place of the strict ones."""
        if (tags := xml.count(b"<")) > MAX_TAGS:
            raise too_large(self.title, tags, MAX_TAGS, "tags")
        if b"http://purl.oclc.org/ooxml/" in xml:
            for strict, usual in _STRICT.items():
                xml = xml.replace(strict, usual)
        try:
            return etree.fromstring(xml, _parser())
        except etree.XMLSyntaxError as error:
            if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
                raise MemoryError from error
            if error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
                raise DocumentTooLarge(
                    f"{self.title} has a text of more than 10 MB, or elements more than 256 deep, in one piece: "
                    "save it anew as PDF or plain text."
                ) from error
            raise

    def size_of_all(self) -> int:
        return sum(entry.file_size for entry in self._archive.infolist())

    def content_types(self) -> dict[str, str]:
        """The content type of each part that has one of its own."""
        types = self.tree("[Content_Types].xml")
        return {entry.get("PartName", "").lstrip("/"): entry.get("ContentType", "") for entry in types}

    def relations(self, part: str) -> dict[str, Relation]:
        """What the part names, by the ids that it uses."""
        folder, name = posixpath.split(part)
        path = posixpath.join(folder, "_rels", f"{name}.rels")
        if path not in self:
            return {}
        return {entry.get("Id", ""): self._relation(folder, entry) for entry in self.tree(path)}

    def _relation(self, folder: str, entry: etree._Element) -> Relation:
        kind = entry.get("Type", "").rpartition("/")[2]
        if entry.get("TargetMode") == "External":
            return Relation(kind, None)
        return Relation(kind, self.resolved(folder, entry.get("Target", "")))

    def resolved(self, folder: str, target: str) -> str | None:
        """The part that a reference from `folder` means, `None` where there is none."""
        path = posixpath.normpath(posixpath.join("/", folder, target.partition("#")[0])).lstrip("/")
        return next((name for name in (path, unquote(path)) if name in self), None)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
