"""Word documents and archives made to exhaust or to break their reader."""

import io
import struct
import zipfile
from collections.abc import Callable

TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    f'<Override PartName="/word/document.xml" ContentType="{TYPE}"/></Types>'
)
SPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
RUN = "<w:r><w:t>text</w:t></w:r>"


def archive(parts: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as target:
        for name, content in parts.items():
            target.writestr(name, content)
    return buffer.getvalue()


def word(xml: str | bytes, types: str = TYPES, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    return archive({"[Content_Types].xml": types, "word/document.xml": xml}, method)


def body(xml: str, before: str = "") -> bytes:
    return word(f'{before}<w:document xmlns:w="{SPACE}"><w:body>{xml}</w:body></w:document>')


def numbered(form: str, count: int) -> str:
    return " ".join(form.replace("@", str(at)) for at in range(count))


def nested(tag: str, depth: int, inside: str = "") -> bytes:
    opened, closed = "".join(f"<w:{name}>" for name in tag.split()), "".join(
        f"</w:{name}>" for name in reversed(tag.split())
    )  # fmt: skip
    return body(opened * depth + inside + closed * depth)


def laughs(levels: int) -> bytes:
    entities = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 10}">' for at in range(1, levels))
    return body(
        f"<w:p><w:r><w:t>&e{levels - 1};</w:t></w:r></w:p>", f'<!DOCTYPE w [<!ENTITY e0 "ha">{entities}]>'
    )  # fmt: skip


def quadratic() -> bytes:
    return body(
        f"<w:p><w:r><w:t>{'&e;' * 100_000}</w:t></w:r></w:p>", f'<!DOCTYPE w [<!ENTITY e "{"a" * 100_000}">]>'
    )  # fmt: skip


def external(address: str) -> bytes:
    return body(f"<w:p>{RUN}<w:r><w:t>&e;</w:t></w:r></w:p>", f'<!DOCTYPE w [<!ENTITY e SYSTEM "{address}">]>')


def lying(size: int) -> bytes:
    """An archive whose directory says that the main part has `size` bytes."""
    data = bytearray(word(b" " * 1_000_000))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", size)
    return bytes(data)


def overlapping() -> bytes:
    """An archive whose 30,000 entries are all one part."""
    data = body(f"<w:p>{RUN}</w:p>")
    start, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    entries = data[start:end] + data[data.rindex(b"PK\x01\x02") : end] * 30_000
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 30_002, 30_002, len(entries), start, 0)
    return data[:start] + entries + tail


def flagged(at: int, value: int) -> bytes:
    """An archive with this number at this place of every entry."""
    data = bytearray(body(f"<w:p>{RUN}</w:p>"))
    for magic, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        found = data.find(magic)
        while found >= 0:
            data[found + at + shift : found + at + shift + 2] = struct.pack("<H", value)
            found = data.find(magic, found + 4)
    return bytes(data)


def elsewhere(part: str) -> bytes:
    return word("<w/>", TYPES.replace("/word/document.xml", part))


FILES: dict[str, Callable[[], bytes]] = {
    "63 MB of empty paragraphs": lambda: body("<w:p/>" * 10_500_000),
    "63 MB of paragraphs": lambda: body(f"<w:p>{RUN}</w:p>" * 1_850_000),
    "63 MB of tabs": lambda: body(f"<w:p><w:r>{'<w:tab/>' * 7_800_000}</w:r></w:p>"),
    "63 MB in one text": lambda: body(f"<w:p><w:r><w:t>{'a' * 63_000_000}</w:t></w:r></w:p>"),
    "63 MB of spaces": lambda: word(b" " * 63_000_000),
    "63 MB of comments": lambda: body("<!---->" * 9_000_000),
    "63 MB of instructions": lambda: body("<?a?>" * 12_000_000),
    "64 MB and a byte": lambda: word(b" " * 64_000_001),
    "5 million letters in cells": lambda: body(
        "<w:tbl>" + ("<w:tr>" + f"<w:tc><w:p>{RUN}</w:p></w:tc>" * 50 + "</w:tr>") * 20_000 + "</w:tbl>"
    ),
    "tables 200 deep": lambda: nested("tbl tr tc", 60, f"<w:p>{RUN}</w:p>"),
    "tables 100,000 deep": lambda: nested("tbl tr tc", 100_000, f"<w:p>{RUN}</w:p>"),
    "controls 240 deep": lambda: nested("sdt", 240, f"<w:p>{RUN}</w:p>"),
    "controls 100,000 deep": lambda: nested("sdt", 100_000),
    "a million attributes": lambda: body("<w:p " + numbered('a@=""', 1_000_000) + "/>"),
    "an attribute of 60 MB": lambda: body(f'<w:p a="{"a" * 60_000_000}">{RUN}</w:p>'),
    "a name of 10 MB": lambda: body(f"<{'a' * 10_000_000}/>"),
    "a million name spaces": lambda: body("<w:p " + numbered('xmlns:a@="@"', 1_000_000) + "/>"),
    "100,000 names of elements": lambda: body(numbered("<w:a@/>", 100_000)),
    "a billion laughs": lambda: laughs(10),
    "a thousand laughs": lambda: laughs(4),
    "quadratic entities": quadratic,
    "entity in itself": lambda: body("<w:p>&e;</w:p>", '<!DOCTYPE w [<!ENTITY e "&e;">]>'),
    "entity from a file": lambda: external("file:///etc/passwd"),
    "entity from a device": lambda: external("file:///dev/zero"),
    "entity from an address": lambda: external("http://127.0.0.1:9/"),
    "definitions from an address": lambda: body(f"<w:p>{RUN}</w:p>", '<!DOCTYPE w SYSTEM "http://127.0.0.1:9/">'),
    "a list of 100,000 attributes": lambda: body(
        f"<w:p>{RUN}</w:p>",
        "<!DOCTYPE w [<!ATTLIST w " + numbered("a@ CDATA 'b'", 100_000) + ">]>",
    ),
    "in UTF-16": lambda: word(f'<w:document xmlns:w="{SPACE}"><w:body/></w:document>'.encode("utf-16")),
    "said to be in UTF-7": lambda: word(b'<?xml version="1.0" encoding="UTF-7"?><a/>'),
    "said to be in EBCDIC": lambda: word(b'<?xml version="1.0" encoding="cp037"?><a/>'),
    "said to be in nonsense": lambda: word(b'<?xml version="1.0" encoding="nonsense"?><a/>'),
    "with half a surrogate pair": lambda: body("<w:p><w:r><w:t>&#xD800;</w:t></w:r></w:p>"),
    "with no character": lambda: body("<w:p><w:r><w:t>&#0;&#x110000;</w:t></w:r></w:p>"),
    "without a body": lambda: word(f'<w:document xmlns:w="{SPACE}"/>'),
    "with another root": lambda: word("<html/>"),
    "500,000 types of parts": lambda: word("<a/>", f"<Types>{'<Override/>' * 500_000}</Types>"),
    "main part above the archive": lambda: elsewhere("/../../../../etc/passwd"),
    "main part that is the list of parts": lambda: elsewhere("/[Content_Types].xml"),
    "main part without a name": lambda: elsewhere(""),
    "directory that says less": lambda: lying(9),
    "directory that says more": lambda: lying(60_000_000),
    "directory of 30,000 entries": overlapping,
    "encrypted": lambda: flagged(6, 1),
    "packed by an unknown method": lambda: flagged(8, 77),
    "packed by LZMA": lambda: word(b" " * 60_000_000, method=zipfile.ZIP_LZMA),
    "packed by bzip2": lambda: word(b" " * 60_000_000, method=zipfile.ZIP_BZIP2),
    "said to be packed by LZMA": lambda: flagged(8, zipfile.ZIP_LZMA),
    "60,000 parts": lambda: archive({f"word/{at}": "" for at in range(60_000)}),
    "an archive in an archive": lambda: word(word("<a/>")),
    "only its beginning": lambda: b"PK\x03\x04" + b"\0" * 40_000_000,
}
