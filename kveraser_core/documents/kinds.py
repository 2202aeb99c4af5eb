"""What a file is, by its content and never by its name: the kinds that are read, and those refused by their name."""

import re

from kveraser_core.documents.errors import NotADocument

READ = "a PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, RTF, HTML, e-mail, Markdown or text file"
_LOOKED_AT = 100_000
"""Characters from the start by which a page is told from Markdown."""

_KINDS = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF87a": "a GIF picture",
    b"GIF89a": "a GIF picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"BM": "a BMP picture",
    b"RIFF": "a picture, sound or film",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\0": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"%!PS": "a PostScript file",
    b"AT&TFORM": "a DjVu file",
    b"SQLite format 3\0": "an SQLite database",
    b"PAR1": "a Parquet table",
    b"OggS": "a sound",
    b"ID3": "a sound",
    b"wOFF": "a font",
    b"wOF2": "a font",
    b"{\\urtf": "an RTF file of an unknown version",
    b"PK\x05\x06": "an empty ZIP archive",
}
_OLE = b"\xd0\xcf\x11\xe0"
_OLE_STREAMS = {
    "EncryptedPackage": "an Office file with a password: save it without, as DOCX or PDF.",
    "WordDocument": "an old Word file (.doc): save it as DOCX or PDF.",
    "Workbook": "an old Excel file (.xls): save it as XLSX, CSV or PDF.",
    "PowerPoint Document": "an old PowerPoint file (.ppt): save it as PPTX or PDF.",
    "__substg1.0_": "an Outlook message (.msg): save it as EML, HTML or text.",
}
_OLD_OFFICE = "an old Office file (such as .doc): save it as DOCX or PDF."


def is_pdf(data: bytes) -> bool:
    """Whether it opens as a PDF does, or is one after up to a kilobyte of something else.

    Prose about PDF may quote its header and its trailer. So after something else the header must begin a line and
    have objects and a trailer after it, and a file that is all text must end as a PDF does.
    """
    before, header, after = data[:1024].partition(b"%PDF-")
    if not header:
        return False
    if not before.strip(b"\xef\xbb\xbf \t\r\n\0"):
        return True
    if before[-1:] not in b"\r\n" or not re.match(rb"\d\.\d\s", after) or b" obj" not in data:
        return False
    return b"startxref" in data and (data.rstrip(b"\0 \t\r\n").endswith(b"%%EOF") or not _is_utf8(data))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_zip(data: bytes) -> bool:
    return data.startswith(b"PK\x03\x04")


def is_rtf(data: bytes) -> bool:
    return data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(b"{\\rtf")


_HEADER_LINE = re.compile(rb"[!-9;-~]+:[^\r\n]*(?:\r\n|\n|\r|$)(?:[ \t]+[^\r\n]*(?:\r\n|\n|\r|$))*")


def is_mail(data: bytes) -> bool:
    """Whether it opens with the header of a message: an e-mail, or a page saved as MHTML."""
    head, at = data[:_LOOKED_AT].lstrip(b"\xef\xbb\xbf\r\n"), 0
    names = set()
    while line := _HEADER_LINE.match(head, at):
        names.add(line[0].partition(b":")[0].lower())
        at = line.end()
    if at < len(head) and head[at : at + 1] not in b"\r\n":
        return False
    if b"mime-version" in names:
        return bool(names & {b"content-type", b"from", b"subject"})
    return b"from" in names and bool(names & {b"received", b"message-id"} or {b"date", b"subject"} <= names)


_PROLOGUE = r"\s*+(?>(?:<\?xml[^>]*+>|<!--.*?-->)\s*+)*+"
_FLAGS = re.DOTALL | re.IGNORECASE
_PAGE = re.compile(_PROLOGUE + r"<(?:!doctype html|html|head|body|meta|title|link|base)\b", _FLAGS)
_BLOCK = re.compile(
    _PROLOGUE
    + r"<(?:address|article|aside|blockquote|center|div|dl|fieldset|figure|footer|form|h[1-6]|header|hr|main|"
    r"nav|ol|p|pre|section|style|script|table|ul)\b",
    _FLAGS,
)
_VERBATIM = re.compile(r"<(pre|script|style|textarea)\b.*?</\1\s*>|<!--.*?-->", _FLAGS)
_MARKDOWN = re.compile(r"^ {0,3}(?:#{1,6} |```|~~~|[-*+] \S|\d+\. )|\]\(", re.MULTILINE)
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)\b[^>]*?(/?)>", re.IGNORECASE)
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


def is_html(text: str) -> bool:
    """Whether `text` is a page rather than Markdown that opens with a piece of one.

    It is where it opens as only a page does, and where it opens with a block and no text in its beginning stands
    outside of elements or on a line that Markdown marks.
    """
    if _PAGE.match(text[:4000]):
        return True
    if not _BLOCK.match(text[:4000]):
        return False
    prose = _VERBATIM.sub("", text[:_LOOKED_AT])
    return not _MARKDOWN.search(prose) and not _text_outside(prose)


def _text_outside(source: str) -> bool:
    depth, end = 0, 0
    for tag in _TAG.finditer(source):
        if depth == 0 and source[end : tag.start()].strip():
            return True
        closing, name, closed = tag.groups()
        if name.lower() not in _VOID and not closed:
            depth = max(depth + (-1 if closing else 1), 0)
        end = tag.end()
    return depth == 0 and bool(source[end:].strip())


def refuse_other_kinds(data: bytes, title: str) -> None:
    """Raise `NotADocument` with the name of a kind that is known and not read."""
    for magic, kind in _KINDS.items():
        if data.startswith(magic) and (b"\0" in data[:1024] or not magic.isalpha()):
            raise NotADocument(f"{title} is {kind}, not a document: give {READ}.")
    if data[4:8] == b"ftyp" and b"\0" in data[:4]:
        raise NotADocument(f"{title} is a film, sound or picture, not a document: give {READ}.")
    if data[60:68] == b"BOOKMOBI":
        raise NotADocument(f"{title} is a Kindle book: give it as EPUB, PDF or text.")
    if data.startswith(_OLE):
        known = (said for name, said in _OLE_STREAMS.items() if name.encode("utf-16-le") in data)
        raise NotADocument(f"{title} is {next(known, _OLD_OFFICE)}")


def not_a_document(title: str) -> NotADocument:
    return NotADocument(f"{title} is not a document: give {READ}.")
