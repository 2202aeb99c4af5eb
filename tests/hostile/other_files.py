"""Letters, RTF, books, OpenDocument texts, presentations and workbooks made to exhaust or to break their reader."""

from collections.abc import Callable

from tests import package_files
from tests.hostile.docx_files import archive

_HEAD = b"From: a\r\nDate: b\r\nSubject: c\r\nMIME-Version: 1.0\r\n"


def letter(rest: bytes) -> bytes:
    return _HEAD + rest


def rtf(content: str) -> bytes:
    return f"{{\\rtf1\\ansi {content}".encode()


def parts_in_parts(depth: int) -> bytes:
    return letter(
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at) for at in range(depth))
    )


def workbook(sheet: str, strings: str = "<si><t>a</t></si>") -> bytes:
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    named = (
        f'<workbook {space} xmlns:r="{package_files.OFFICE}"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets>'
    )
    relations = package_files.relations(
        ("r1", "worksheet", "worksheets/a.xml"), ("r2", "sharedStrings", "sharedStrings.xml")
    )
    kind = package_files.types(package_files.XLSX, "xl/workbook.xml")
    office = package_files.relations(("r", "officeDocument", "xl/workbook.xml"))
    return archive(
        {
            "[Content_Types].xml": kind,
            "_rels/.rels": office,
            "xl/workbook.xml": f"{named}</workbook>",
            "xl/_rels/workbook.xml.rels": relations,
            "xl/sharedStrings.xml": f"<sst {space}>{strings}</sst>",
            "xl/worksheets/a.xml": f"<worksheet {space}><sheetData>{sheet}</sheetData></worksheet>",
        }
    )


_LIST = "<text:list><text:list-item>"

FILES: dict[str, Callable[[], bytes]] = {
    "RTF of groups a million deep": lambda: rtf("{" * 1_000_000),
    "RTF of ends": lambda: rtf("}" * 1_000_000),
    "RTF of 4 million words": lambda: rtf("\\b x" * 4_000_000),
    "RTF of notes": lambda: rtf("{\\footnote a}" * 300_000),
    "RTF of notes in notes": lambda: rtf("{\\footnote " * 100_000),
    "RTF of raised letters": lambda: rtf("{\\super 5}a" * 300_000),
    "RTF of huge numbers": lambda: rtf(
        "\\u99999999999999999999?\\u-1?\\bin999999999 \\uc2147483647 \\f-5 \\ansicpg99"
    ),
    "RTF of bytes": lambda: rtf("\\'e4" * 3_000_000),
    "RTF of an unknown code page": lambda: rtf("\\ansicpg57344\\'e4{\\fonttbl{\\f0\\fcharset999 a}}\\f0\\'e4"),
    "RTF that only begins": lambda: b"{\\rtf",
    "a letter of parts a thousand deep": lambda: parts_in_parts(1_000),
    "a letter of parts 100,000 deep": lambda: parts_in_parts(100_000),
    "a letter of 20 MB of headers": lambda: b"A: b\r\n" * 3_000_000 + _HEAD,
    "a letter with a header of 20 MB": lambda: b"Subject: " + b"=?utf-8?Q?a?= " * 1_000_000 + b"\r\n" + _HEAD,
    "a letter with a folded header": lambda: letter(b"To:" + b"\r\n a" * 1_000_000),
    "a letter of a million addresses": lambda: letter(b"To: " + b"a@b, " * 1_000_000),
    "a letter of open parentheses": lambda: letter(b"To: " + b"(" * 100_000),
    "a letter of 30 MB in base64": lambda: letter(
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"PHA+YQ==" * 4_000_000
    ),
    "a letter of parts without an end": lambda: letter(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\na\r\n" * 200_000
    ),
    "a letter in an encoding that is none": lambda: letter(b"Content-Type: text/plain; charset=klingon\r\n\r\na"),
    "a letter with a charset of nonsense": lambda: letter(b"Content-Type: text/plain; charset*=x'y'%FF%00\r\n\r\na"),
    "a book whose spine is a million": lambda: archive(
        package_files.epub_parts(first="a", second="b")
        | {
            "OPS/a.opf": '<package xmlns="urn:o"><manifest><item id="first" href="second.xhtml" '
            'media-type="application/xhtml+xml"/></manifest><spine>'
            + '<itemref idref="first"/>' * 1_000_000
            + "</spine></package>"
        }
    ),
    "a book that is its own chapter": lambda: archive(
        package_files.epub_parts(first="a", second="b")
        | {
            "OPS/a.opf": '<package xmlns="urn:o"><manifest><item id="first" href="a.opf" '
            'media-type="application/xhtml+xml"/></manifest><spine><itemref idref="first"/></spine></package>'
        }
    ),
    "a book of a chapter a million deep": lambda: package_files.epub(first="<div>" * 1_000_000, second=""),
    "OpenDocument of lists 80 deep": lambda: package_files.odt(
        _LIST * 80 + "<text:p>a</text:p>" + "</text:list-item></text:list>" * 80
    ),
    "OpenDocument of lists 100,000 deep": lambda: package_files.odt(_LIST * 100_000),
    "OpenDocument of 60 MB": lambda: package_files.odt("<text:p>a</text:p>" * 3_000_000),
    "OpenDocument of huge counts": lambda: package_files.odt(
        f"<text:p>a<text:s text:c='{'9' * 99}'/><text:s text:c='²'/></text:p>" * 1_000
    ),
    "OpenDocument with an entity from a file": lambda: archive(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        }
    ),
    "a presentation of 200 slides": lambda: package_files.pptx([package_files.shape("a" * 20_000)] * 200),
    "a presentation of groups 200 deep": lambda: package_files.pptx(
        ["<p:grpSp>" * 200 + package_files.shape("a") + "</p:grpSp>" * 200]
    ),
    "a presentation that numbers nonsense": lambda: package_files.pptx(
        [package_files.shape("a", '<a:pPr lvl="x"><a:buAutoNum startAt="9e9"/></a:pPr>')]
    ),
    "a workbook whose cell is far away": lambda: workbook('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
    "a workbook of far cells": lambda: workbook(
        "".join(f'<row r="{at}"><c r="XFD{at}"><v>1</v></c></row>' for at in range(1, 20_000))
    ),
    "a workbook of 60 MB": lambda: workbook("<row>" + "<c><v>1</v></c>" * 3_000_000 + "</row>"),
    "a workbook of laughs": lambda: workbook("<row><c><v>1</v></c></row>", "<si><t>a</t></si>" * 1_000_000),
    "a workbook without its parts": lambda: archive(
        {"[Content_Types].xml": package_files.types(package_files.XLSX, "xl/workbook.xml")}
    ),
}
