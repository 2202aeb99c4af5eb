"""Mutated files: whole ones of every format, altered by a seeded generator of random numbers."""

import io
import random
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tests import package_files
from tests.hostile import docx_files, other_files, pdf_files, text_files
from tests.test_documents import HTML, pdf, word

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "assets/samples", ROOT.parent / "shared/cases/documents")
SLOW = "p28_big_drawing_90MB.pdf"  # whole, it takes all the time there is
TOKENS = (
    b"<<", b">>", b"[", b"]", b"(", b"stream\n", b"endobj\n", b"/Kids", b"/Parent", b"/Filter/LZWDecode", b" 3 0 R ",
    b"xref\n", b"BT ", b" Tj ", b" Do ", b"<div>", b"<table>", b"</p>", b"<!--", b"&#xD800;", b"<![CDATA[", b"<w:p>",
    b"<w:tbl>", b"</w:r>", b"PK\x05\x06", b"PK\x01\x02", b"\0", b"\xff", b"\x1b", b"\xed\xa0\x80", b"%PDF-1.7\n",
    b"<html>", b"<meta charset=utf-7>",
    b"{\\rtf1 ", b"\\footnote ", b"\\bin9999 ", b"Content-Type: ",
    b"<text:p>", b"<a:p>", b"<m:f>", b"<w:numPr>", b"<math><msup>",
)  # fmt: skip
NUMBERS = (b"0", b"-1", b"1", b"65536", b"2147483648", b"99999999999", b"1e99", b"0.0000001", b"9" * 400)


def whole_files() -> dict[str, bytes]:
    text = "Der Müller läßt die Straße öffnen. 今天的会议讨论了退款政策。\n"
    files = {
        "pdf": pdf(*[[f"Line {line} of page {page}" for line in range(9)] for page in range(5)]),
        "encrypted pdf": pdf(["secret"], password=""),
        "forms": pdf_files.doubling_forms(3),
        "map": pdf_files.with_map(b"begincmap 1 beginbfrange <0041> <0051> <0061> endbfrange endcmap"),
        "widths": pdf_files.with_widths(b"[65 90 500 97 [1 2 3]]"),
        "filters": pdf_files.one_page(pdf_files.stream(b"BT (a) Tj ET", b"/Filter[/FlateDecode]")),
        "lzw": pdf_files.one_page(pdf_files.stream(pdf_files.lzw(50), b"/Filter/LZWDecode", packed=False)),
        "xref stream": pdf_files.cross_reference_stream(b"/W[1 2 1]/Size 9"),
        "docx": word(),
        "docx with entities": docx_files.laughs(3),
        "docx with tables": docx_files.nested("tbl tr tc", 9, f"<w:p>{docx_files.RUN}</w:p>"),
        "rtf": other_files.rtf("One {\\b two}\\par{\\footnote note}{\\super 5}\\u8364?\\'e4{\\header a}}"),
        "letter": other_files.letter(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nText\n--b--\n"),
        "book": package_files.epub(first="<p>One</p>", second="<p>Two</p>"),
        "opendocument": package_files.odt(
            "<text:list><text:list-item><text:p>a</text:p></text:list-item></text:list>"
        ),
        "slides": package_files.pptx([package_files.shape("a"), package_files.shape("b")], notes={1: "n"}),
        "workbook": other_files.workbook('<row><c t="s"><v>0</v></c><c><v>1</v></c></row>'),
        "html": HTML.encode(),
        "page in gb18030": text_files.page(text.encode("gb18030")),
        **{encoding: text.encode(encoding) for encoding in ("utf-8", "gb18030", "utf-16", "utf-32")},
        **{encoding: text[:34].encode(encoding) * 9 for encoding in ("cp1252", "cp1250")},
        "shift_jis": "これは古い規則です。".encode("shift_jis") * 9,
    }
    for folder in FOLDERS:
        for file in sorted(folder.glob("*")):
            if file.name != SLOW and file.suffix != ".json":
                files[file.name] = file.read_bytes()
    return files


def mutated(seed: int, first: int, last: int) -> Iterator[tuple[str, bytes]]:
    """Files number `first` to `last`, with their names; each depends on `seed` and its number alone."""
    whole = whole_files()
    names = list(whole)
    for number in range(first, last + 1):
        rng = random.Random(f"{seed}/{number}")
        name = rng.choice(names)
        change = _inside if rng.random() < 0.4 else _altered
        yield f"{number}: {name}", change(whole[name], rng, whole[rng.choice(names)])


def _altered(data: bytes, rng: random.Random, other: bytes) -> bytes:
    for _ in range(rng.choice((1, 1, 1, 2, 3, 9))):
        data = rng.choice(_MUTATIONS)(data, rng, other)[:20_000_000]
    return data


def _inside(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """One part of an archive or one packed stream altered, and packed again."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        name = rng.choice(sorted(parts))
        return docx_files.archive({**parts, name: _altered(parts[name], rng, other)})
    streams = list(re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL))
    if not streams:
        return _altered(data, rng, other)
    found = rng.choice(streams)
    try:
        content = zlib.decompress(found[1])
    except zlib.error:
        content = found[1]
    packed = zlib.compress(_altered(content, rng, other))
    before = data[: found.start(1)]
    at = max(before.rfind(b"/Length "), 0)
    before = before[:at] + re.sub(rb"/Length \d+", b"/Length %d" % len(packed), before[at:], count=1)
    return before + packed + data[found.end(1) :]


def _place(data: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + int(rng.expovariate(1 / rng.choice((3, 40, 2_000)))))


def _flip(data: bytes, rng: random.Random, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 4, 64)) if data else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _break_off(data: bytes, rng: random.Random, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _delete(data: bytes, rng: random.Random, other: bytes) -> bytes:
    start, end = _place(data, rng)
    return data[:start] + data[end:]


def _repeat(data: bytes, rng: random.Random, other: bytes) -> bytes:
    start, end = _place(data, rng)
    return data[:start] + data[start:end] * rng.choice((2, 9, 1_000)) + data[end:]


def _splice(data: bytes, rng: random.Random, other: bytes) -> bytes:
    start, end = _place(other, rng)
    at, until = _place(data, rng)
    return data[:at] + other[start:end] + data[until:]


def _overwrite(data: bytes, rng: random.Random, other: bytes) -> bytes:
    start, end = _place(data, rng)
    return data[:start] + rng.randbytes(end - start) + data[end:]


def _token(data: bytes, rng: random.Random, other: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(TOKENS) * rng.choice((1, 1, 3, 5_000)) + data[at:]


def _number(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """Another number in place of one that is written out, such as a length, or of four bytes."""
    numbers = list(re.finditer(rb"\d+", data))
    if numbers and rng.random() < 0.7:
        found = rng.choice(numbers)
        return data[: found.start()] + rng.choice(NUMBERS) + data[found.end() :]
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice((bytes(4), b"\xff" * 4, b"\xff\xff\xff\x7f")) + data[at + 4 :]


_MUTATIONS: tuple[Callable[[bytes, random.Random, bytes], bytes], ...] = (
    _flip, _break_off, _delete, _repeat, _splice, _overwrite, _token, _number, _number
)  # fmt: skip
