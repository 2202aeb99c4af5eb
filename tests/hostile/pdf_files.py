"""PDFs made to exhaust or to break their reader; each is built when it is asked for."""

import zlib
from collections.abc import Callable
from functools import partial

FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
SHOWN = b"BT /F1 12 Tf 72 700 Td (Some text.) Tj ET\n"


def assembled(objects: list[bytes], trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1, the first of them its catalogue."""
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % at for at in offsets)
    size = len(objects) + 1
    return b"%bxref\n0 %d\n0000000000 65535 f \n%btrailer\n<</Size %d/Root 1 0 R%b>>\nstartxref\n%d\n%%%%EOF" % (
        out, size, table, size, trailer, len(out)
    )  # fmt: skip


def stream(data: bytes, entries: bytes = b"/Filter/FlateDecode", packed: bool = True) -> bytes:
    data = zlib.compress(data, 9) if packed else data
    return b"<</Length %d%b>>stream\n%b\nendstream" % (len(data), entries, data)


def one_page(content: bytes, *more: bytes, font: bytes = FONT, resources: bytes = b"", trailer: bytes = b"") -> bytes:
    """A page whose /Contents is object 4; `more` are objects 6 and on."""
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>%b>>>>"
    pages = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    return assembled(
        [b"<</Type/Catalog/Pages 2 0 R>>", pages, page % resources, content, font, *more], trailer
    )  # fmt: skip


def many_pages(count: int, content: bytes) -> bytes:
    """`count` pages that share one content stream."""
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 5 + count))
    page = b"<</Type/Page/Parent 2 0 R/Contents 3 0 R/Resources<</Font<</F1 4 0 R>>>>/MediaBox[0 0 9 9]>>"
    pages = b"<</Type/Pages/Kids[%b]/Count %d>>" % (kids, count)
    return assembled([b"<</Type/Catalog/Pages 2 0 R>>", pages, stream(content), FONT, *[page] * count])


def page_tree(depth: int) -> bytes:
    nodes = [b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % (number + 1) for number in range(2, 2 + depth)]
    return assembled([b"<</Type/Catalog/Pages 2 0 R>>", *nodes, b"<</Type/Page/Contents null>>"])


def doubling_forms(depth: int) -> bytes:
    """Forms each of which draws the next one twice."""
    form = b"/Filter/FlateDecode/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<<%b>>"
    forms = [stream(b"/X Do /X Do", form % (b"/XObject<</X %d 0 R>>" % at)) for at in range(7, 7 + depth)]
    last = stream(SHOWN, form % b"/Font<</F1 5 0 R>>")
    return one_page(stream(b"/X Do"), *forms, last, resources=b"/XObject<</X 6 0 R>>")


def with_map(cmap: bytes) -> bytes:
    """A page whose font says by `cmap` what its codes mean."""
    font = b"<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/Identity-H/DescendantFonts[7 0 R]/ToUnicode 6 0 R>>"
    child = b"<</Type/Font/Subtype/CIDFontType2/BaseFont/A/CIDSystemInfo<<>>>>"
    return one_page(stream(b"BT /F1 9 Tf <00410042> Tj ET"), stream(cmap), child, font=font)


def with_widths(widths: bytes) -> bytes:
    font = b"<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/Identity-H/DescendantFonts[6 0 R]>>"
    child = b"<</Type/Font/Subtype/CIDFontType2/BaseFont/A/CIDSystemInfo<<>>/W %b>>" % widths
    return one_page(stream(b"BT /F1 9 Tf <00410042> Tj ET"), child, font=font)


def chained(times: int) -> bytes:
    data = b"a" * 60_000_000
    for _ in range(times):
        data = zlib.compress(data, 9)
    return one_page(stream(data, b"/Filter[%b]" % (b"/FlateDecode" * times), packed=False))


def cross_reference_stream(entries: bytes, data: bytes = b"\0" * 64) -> bytes:
    out = b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    table = stream(data, b"/Filter/FlateDecode/Type/XRef/Root 1 0 R" + entries)
    return out + b"3 0 obj" + table + b"endobj\nstartxref\n%d\n%%%%EOF" % len(out)


def tables_in_a_row(count: int) -> bytes:
    """Cross-reference tables, each of which names the one before."""
    out, before = bytearray(b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"), 0
    for _ in range(count):
        at = len(out)
        out += b"xref\n0 1\n0000000000 65535 f \ntrailer<</Size 1/Root 1 0 R/Prev %d>>\n" % before
        before = at
    return bytes(out) + b"startxref\n%d\n%%%%EOF" % before


def table_loop() -> bytes:
    out = b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    at = len(out)
    return out + b"xref\n0 1\n0000000000 65535 f \ntrailer<</Size 1/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF" % (
        at, at
    )  # fmt: skip


def object_stream(entries: bytes, data: bytes) -> bytes:
    return cross_reference_stream(b"/W[1 2 1]/Size 9") + stream(data, b"/Filter/FlateDecode/Type/ObjStm" + entries)


def lzw(codes: int) -> bytes:
    """An LZW stream that repeats its longest string, `codes` times."""
    bits = "100000000" + "001100001" + "".join(f"{min(258 + at, 510):09b}" for at in range(codes))
    return int(bits.ljust(-len(bits) % 8 + len(bits), "0"), 2).to_bytes((len(bits) + 7) // 8)


def _content(data: bytes, entries: bytes = b"/Filter/FlateDecode", packed: bool = True) -> Callable[[], bytes]:
    return lambda: one_page(stream(data, entries, packed))


def _repeated(unit: bytes, size: int = 60_000_000) -> Callable[[], bytes]:
    return lambda: one_page(stream(unit * (size // len(unit))))


def _raw(content: bytes) -> Callable[[], bytes]:
    return lambda: one_page(content)


_RANGE = b"begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange %b endcmap"
_CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"

FILES: dict[str, Callable[[], bytes]] = {
    "2,000 pages share a stream": lambda: many_pages(2_000, SHOWN * 1_000),
    "100,000 pages": lambda: many_pages(100_000, b""),
    "60 MB of drawing": _repeated(b"1 0 0 1 0 0 cm 0 0 m 9 9 l S\n"),
    "60 MB of text": _repeated(SHOWN),
    "60 MB of spaces": _repeated(b" "),
    "60 MB of saved states": _repeated(b"q "),
    "60 MB of opened texts": _repeated(b"BT "),
    "60 MB of comments": _repeated(b"%\n"),
    "60 MB of names": _repeated(b"/a "),
    "60 MB of numbers": _repeated(b"1 "),
    "60 MB of arrays": _repeated(b"[]"),
    "60 MB in one string": lambda: one_page(stream(b"BT /F1 9 Tf (" + b"a" * 60_000_000 + b") Tj ET")),
    "60 MB in one name": lambda: one_page(stream(b"/" + b"a" * 60_000_000 + b" Do")),
    "60 MB in one number": lambda: one_page(stream(b"9" * 60_000_000 + b" w")),
    "60 MB in one hexadecimal string": lambda: one_page(stream(b"<" + b"61" * 30_000_000 + b"> Tj")),
    "60 MB of inline picture": lambda: one_page(stream(b"BI /W 9 /H 9 ID " + b"a" * 60_000_000)),
    "inline pictures without an end": _repeated(b"BI ID ", 600_000),
    "arrays a million deep": lambda: one_page(stream(b"[" * 1_000_000)),
    "dictionaries a million deep": lambda: one_page(stream(b"<</a" * 1_000_000)),
    "strings a million deep": lambda: one_page(stream(b"(" * 1_000_000)),
    "object of arrays a million deep": _raw(b"[" * 1_000_000),
    "object of dictionaries 100,000 deep": _raw(b"<</a" * 100_000),
    "object of an endless string": _raw(b"(" * 1_000_000),
    "object of a huge number": _raw(b"9" * 1_000_000),
    "page tree in itself": lambda: assembled([_CATALOG, b"<</Type/Pages/Kids[2 0 R]/Count 9>>"]),
    "page tree 10,000 deep": partial(page_tree, 10_000),
    "page tree 90 deep": partial(page_tree, 90),
    "huge /Count": lambda: assembled([_CATALOG, b"<</Type/Pages/Kids[]/Count 99999999999>>"]),
    "negative /Count": lambda: assembled([_CATALOG, b"<</Type/Pages/Kids[]/Count -1>>"]),
    "kids that are not there": lambda: assembled([_CATALOG, b"<</Type/Pages/Kids[9 0 R 8 0 R]/Count 2>>"]),
    "one kid 90,000 times": lambda: assembled(
        [_CATALOG, b"<</Type/Pages/Kids[%b]/Count 1>>" % (b"3 0 R " * 90_000), b"<</Type/Page>>"]
    ),
    "catalogue in itself": lambda: assembled([b"1 0 R"]),
    "pages in the catalogue": lambda: assembled([b"<</Type/Catalog/Pages 1 0 R/Kids[1 0 R]>>"]),
    "stream that is its own length": _raw(b"<</Length 4 0 R>>stream\na\nendstream"),
    "stream of a huge length": _raw(b"<</Length 99999999999>>stream\na\nendstream"),
    "stream of a negative length": _raw(b"<</Length -5>>stream\na\nendstream"),
    "contents in themselves": _raw(b"[4 0 R]"),
    "contents 90,000 times": lambda: one_page(b"[%b]" % (b"6 0 R " * 90_000), stream(SHOWN * 100)),
    "forms in themselves": lambda: one_page(
        stream(b"/X Do"),
        stream(b"/X Do", b"/Filter/FlateDecode/Type/XObject/Subtype/Form/Resources<</XObject<</X 6 0 R>>>>"),
        resources=b"/XObject<</X 6 0 R>>",
    ),
    "forms that double 30 times": partial(doubling_forms, 30),
    "forms that double 9 times": partial(doubling_forms, 9),
    "font in itself": lambda: one_page(
        stream(SHOWN), font=b"<</Type/Font/Subtype/Type0/DescendantFonts[5 0 R]/Encoding 5 0 R/ToUnicode 5 0 R>>"
    ),
    "map of four billion letters": lambda: with_map(
        _RANGE % b"1 beginbfrange <00000000> <FFFFFFFF> <00000000> endbfrange"
    ),
    "map of one range 10,000 times": lambda: with_map(
        _RANGE % (b"9 beginbfrange " + b"<0000> <FFFF> <0000> " * 10_000 + b"endbfrange")
    ),
    "map of letters with 60 MB": lambda: with_map(_RANGE % (b"1 beginbfchar <0041> <" + b"0041" * 15_000_000 + b">")),
    "map that breaks off": lambda: with_map(b"begincmap 1 beginbfrange <00"),
    "widths of a billion letters": lambda: with_widths(b"[0 1000000000 500]"),
    "widths of 65,536 letters 5,000 times": lambda: with_widths(b"[%b]" % (b"0 65535 500 " * 5_000)),
    "widths from a billion to nothing": lambda: with_widths(b"[1000000000 0 500 1 [2] 3]"),
    "differences of 90,000 letters": lambda: one_page(
        stream(SHOWN),
        font=b"<</Type/Font/Subtype/Type1/BaseFont/A/Encoding<</Differences[0 %b]>>>>" % (b"/a" * 90_000),
    ),
    "two filters": partial(chained, 2),
    "sixteen filters": partial(chained, 16),
    "a thousand filters": lambda: one_page(stream(b"a", b"/Filter[%b]" % (b"/FlateDecode" * 1_000), packed=False)),
    "90 MB of zlib": lambda: one_page(stream(bytes(90_000_000))),
    "predictor with a billion columns": _content(
        b"a" * 9_999, b"/Filter/FlateDecode/DecodeParms<</Predictor 15/Columns 1000000000>>"
    ),
    "predictor with a billion colours": _content(
        b"a" * 9_999, b"/Filter/FlateDecode/DecodeParms<</Predictor 2/Colors 1000000000/Columns 9>>"
    ),
    "predictor of single bytes over 60 MB": lambda: one_page(
        stream(bytes(60_000_000), b"/Filter/FlateDecode/DecodeParms<</Predictor 15/Columns 1>>")
    ),
    "predictor with columns below nothing": _content(
        b"a" * 9_999, b"/Filter/FlateDecode/DecodeParms<</Predictor 15/Columns -4>>"
    ),
    "LZW that grows": lambda: one_page(stream(lzw(50_000), b"/Filter/LZWDecode", packed=False)),
    "LZW of ones": lambda: one_page(stream(b"\xff" * 1_000_000, b"/Filter/LZWDecode", packed=False)),
    "ASCII85 of zeros": lambda: one_page(stream(b"z" * 40_000_000 + b"~>", b"/Filter/ASCII85Decode", packed=False)),
    "ASCII85 of nonsense": _content(b"\xff{}~" * 99_999, b"/Filter/ASCII85Decode", packed=False),
    "hexadecimal of 40 MB": lambda: one_page(stream(b"61" * 20_000_000, b"/Filter/ASCIIHexDecode", packed=False)),
    "run lengths": lambda: one_page(stream(b"\x81a" * 10_000_000, b"/Filter/RunLengthDecode", packed=False)),
    "fax of a billion rows": _content(
        b"a" * 999, b"/Filter/CCITTFaxDecode/DecodeParms<</K -1/Columns 1000000000/Rows 1000000000>>", packed=False
    ),
    "JBIG2": _content(b"a" * 999, b"/Filter/JBIG2Decode", packed=False),
    "JPEG": _content(b"\xff\xd8\xff" * 999, b"/Filter/DCTDecode", packed=False),
    "JPEG 2000": _content(b"a" * 999, b"/Filter/JPXDecode", packed=False),
    "Brotli": _content(b"a" * 999, b"/Filter/BrotliDecode", packed=False),
    "unknown filter": _content(b"a" * 999, b"/Filter/Unheard", packed=False),
    "filter that is its stream": _content(b"a" * 999, b"/Filter 4 0 R", packed=False),
    "cross-references in a loop": table_loop,
    "20,000 cross-reference tables": partial(tables_in_a_row, 20_000),
    "cross-reference stream of wide fields": lambda: cross_reference_stream(b"/W[99 99 99]/Size 9"),
    "cross-reference stream of a billion": lambda: cross_reference_stream(b"/W[0 0 0]/Index[0 1000000000]/Size 9"),
    "cross-reference stream below nothing": lambda: cross_reference_stream(b"/W[-1 2 1]/Index[-9 9]/Size -1"),
    "cross-reference stream before itself": lambda: cross_reference_stream(b"/W[1 2 1]/Size 3/Prev 107"),
    "cross-reference stream of 60 MB": lambda: cross_reference_stream(
        b"/W[1 2 1]/Size 15000000", b"\1\0\t\0" * 15_000_000
    ),
    "object stream of a billion": lambda: object_stream(b"/N 1000000000/First 9", b"1 0 2 0"),
    "object stream of 60 MB": lambda: object_stream(b"/N 9/First 9", b"1 0 " * 15_000_000),
    "table of a billion": lambda: b"%PDF-1.4\nxref\n0 9999999999\ntrailer<<>>\nstartxref\n9\n%%EOF",
    "startxref behind the end": lambda: b"%PDF-1.4\n" + SHOWN * 99 + b"startxref\n99999999999\n%%EOF",
    "a million objects without an end": lambda: b"%PDF-1.4\n" + b"1 0 obj\n" * 1_000_000 + b"startxref\n0\n%%EOF",
    "a million trailers": lambda: b"%PDF-1.4\n" + b"trailer<<" * 1_000_000 + b"startxref\n0\n%%EOF",
    "a million ends": lambda: b"%PDF-1.4\n" + b"startxref\n0\n%%EOF\n" * 1_000_000,
    "40 MB of nothing": lambda: b"%PDF-1.4\n" + b"\0" * 40_000_000 + b"startxref\n0\n%%EOF",
    "encrypted by nonsense": lambda: one_page(
        stream(SHOWN), trailer=b"/ID[<00><00>]/Encrypt<</Filter/Standard/V 5/R 6/Length 9999999999/O()/U()/P 1>>"
    ),
    "encrypted by itself": lambda: one_page(stream(SHOWN), trailer=b"/ID[]/Encrypt 4 0 R"),
}
