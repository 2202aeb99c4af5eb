"""Pages and texts made to exhaust or to break their reader."""

import codecs
import random
from collections.abc import Callable
from encodings.aliases import aliases

ENCODINGS = sorted(set(aliases.values()))


def page(content: str | bytes) -> bytes:
    content = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    return b"<!doctype html><html><body>" + content


def claimed(encoding: str) -> bytes:
    """A page that claims an encoding, with every byte but controls, and some at random."""
    opening = f'<html><head><meta charset="{encoding}"></head><body>'.encode()
    return opening + bytes(range(32, 256)) + _noise(3_000, 32)


def _noise(size: int, least: int = 1, most: int = 255) -> bytes:
    table = bytes(least + at % (most - least + 1) for at in range(256))
    return random.Random(size).randbytes(size).translate(table)


FILES: dict[str, Callable[[], bytes]] = {
    "page a million deep": lambda: page("<div>" * 1_000_000),
    "page a million deep in letters": lambda: page("<b>a" * 1_000_000),
    "page 100,000 deep and closed": lambda: page("<div>" * 100_000 + "a" + "</div>" * 100_000),
    "tables 100,000 deep": lambda: page("<table><tr><td>" * 100_000),
    "lists 100,000 deep": lambda: page("<ul><li>" * 100_000),
    "forms in forms": lambda: page("<form><select><option>" * 100_000),
    "badly nested": lambda: page("<a><b><i></a>" * 100_000),
    "5 million ends": lambda: page("</p>" * 5_000_000),
    "5 million breaks": lambda: page("<br>" * 5_000_000),
    "a million paragraphs": lambda: page("<p>a" * 1_000_000),
    "a million attributes": lambda: page(f"<p {' '.join(f'a{at}' for at in range(1_000_000))}>a"),
    "one attribute a million times": lambda: page(f"<p {'a ' * 1_000_000}>a"),
    "an attribute of 40 MB": lambda: page(f'<p a="{"a" * 40_000_000}">a'),
    "a class of 10 million": lambda: page(f'<p class="{"a " * 10_000_000}">a'),
    "a name of 40 MB": lambda: page(f"<{'a' * 40_000_000}>a"),
    "40 MB of openings": lambda: page("<" * 40_000_000),
    "40 MB of spaces": lambda: page(" " * 40_000_000),
    "40 MB before a page": lambda: b" " * 40_000_000 + page("a"),
    "4 MB of words": lambda: page("word " * 800_000),
    "an open comment of 40 MB": lambda: page("<!--" + "-" * 40_000_000),
    "5 million comments": lambda: page("<!---->" * 5_000_000),
    "an open script of 40 MB": lambda: page("<script>" + "<" * 40_000_000),
    "an open CDATA of 40 MB": lambda: page("<![CDATA[" + "]" * 40_000_000),
    "instructions": lambda: page("<?a" * 5_000_000),
    "a doctype of 40 MB": lambda: b"<!doctype html [" + b"<!ENTITY a 'b'>" * 2_500_000 + b"]><html>a",
    "entities": lambda: page("&amp;" * 5_000_000),
    "entities that are none": lambda: page("&a" * 10_000_000),
    "characters that are none": lambda: page("&#xD800;&#xDC00;&#0;&#x110000;&#99999999999;&#-1;" * 1_000),
    "halves of surrogate pairs": lambda: page("\ud83d\udc4b \ud83d \udc4b" * 1_000),
    "plaintext": lambda: page("<plaintext>" + "<p>" * 5_000_000),
    "frames": lambda: b"<html><frameset>" + b"<frame>" * 1_000_000,
    "preformatted lines": lambda: page("<pre>" + "\n" * 10_000_000),
    "comments before a page": lambda: b"<!---->" * 500 + b"x",
    "comments before a page, again and again": lambda: b"<!-- --><!-->" * 300 + b"<x",
    "instructions before a page": lambda: b"<?xml a?>" * 400 + b"x",
    "a charset that is never said": lambda: b"<html>" + b"<meta" * 700 + b" charset" * 500,
    "a charset that never ends": lambda: b"<html>" + b"<meta" * 650 + b"charset=" * 500,
    "a charset after many": lambda: b"<html>" + b"<meta charset='" * 540,
    "an encoding that is never said": lambda: b"<?xml " + b"encoding='" * 390 + b"?><html>",
    "a page in UTF-16 a million deep": lambda: ("<html>" + "<b>" * 1_000_000).encode("utf-16"),
    "50 MB of UTF-8": lambda: b"word " * 10_000_000,
    "49 MB of Chinese": lambda: "忘记".encode() * 8_000_000,
    "5 million letters in a line": lambda: b"a" * 5_000_000,
    "5 million lines": lambda: b"a\n" * 2_500_000,
    "20 MB of carriage returns": lambda: b"\r" * 20_000_000,
    "5 million escapes": lambda: b"\x1b" * 5_000_000,
    "control characters": lambda: b"\1" + b"a" * 49 + b"\1",
    "50 MB of control characters": lambda: b"\1" * 50_000_000,
    "50 MB of nothing": lambda: bytes(50_000_000),
    "20 MB of high bytes": lambda: _noise(20_000_000, 128),
    "2 MB of high bytes": lambda: _noise(2_000_000, 128),
    "20 MB of one high byte": lambda: b"\xff" * 20_000_000,
    "50 MB of one high byte": lambda: b"\xff" * 50_000_000,
    "5 MB of German": lambda: "Der Müller läßt die Straße öffnen. ".encode("cp1252") * 150_000,
    "12 MB of Chinese": lambda: "今天的会议讨论了退款政策。".encode("gb18030") * 480_000,
    "UTF-8 with bad bytes": lambda: "Grüße ".encode() * 1_000_000 + b"\xff" * 1_000_000,
    "UTF-8 too long": lambda: b"\xc0\x80\xf8\x88\x80\x80\x80" * 10_000,
    "UTF-8 of surrogates": lambda: "\ud83d\udc4b".encode("utf-8", "surrogatepass") * 10_000,
    "UTF-16 of surrogates": lambda: codecs.BOM_UTF16_LE + b"\x3d\xd8" * 100_000,
    "UTF-32 beyond the last": lambda: codecs.BOM_UTF32_LE + b"\xff" * 400_000,
    "UTF-32 of 50 MB": lambda: codecs.BOM_UTF32_LE + "👋".encode("utf-32-le") * 12_499_000,
    "escapes of ISO 2022": lambda: b"\x1b$B$3\x1b(B" * 100_000,
    "marks of byte order": lambda: b"\xff\xfe\xfe\xff" * 100_000,
    "only a mark": lambda: codecs.BOM_UTF8,
    **{f"page said to be in {name}": (lambda name=name: claimed(name)) for name in ENCODINGS},
}
