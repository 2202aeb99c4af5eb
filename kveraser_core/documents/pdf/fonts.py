"""What the codes of a PDF font say: their letters and their widths.

pypdf reads the font; this keeps what one code means, so that a long text looks each of them up once.
"""

import re
from typing import Any, cast

from pypdf._codecs.adobe_glyphs import adobe_glyphs
from pypdf.generic import DictionaryObject
from pypdf.generic._font import Font as FontResource

_LETTERS = {"\uf001": "fi", "\uf002": "fl", "\uf0b7": "•", "\uf0a7": "▪", "\uf0d8": "➢", "\uf0fc": "✓"}
"""What producers put in the private use area: Apple's ligatures, and the bullets of Symbol and Wingdings."""
UNKNOWN = "\ufffd"
_ENCODED = re.compile(rb"dup\s+(\d+)\s*/(\S+)\s+put")


class Font:
    """A font of a PDF, read from `resource`. `readable` is whether the file says which letters its codes are."""

    def __init__(self, resource: DictionaryObject) -> None:
        font = FontResource.from_font_resource(resource)
        self.resource = resource
        self.name = "of drawn letters" if font.sub_type == "Type3" else font.name.rpartition("+")[2]
        self.readable = font.interpretable and not _has_codes_only(resource)
        self.monospaced = bool(font.font_descriptor.flags & 1)
        self._encoding = font.encoding if isinstance(font.encoding, str) else None
        self._errors = "surrogatepass" if self._encoding and "16" in self._encoding else "replace"
        self._glyphs = _Glyphs(font, resource)

    def shown(self, codes: bytes) -> tuple[str, float, int, int]:
        """The letters of `codes`, their width in thousandths of the font's size, and how many codes and spaces.

        A space is what word spacing is added to: the single byte 32.
        """
        units: bytes | str = codes.decode(self._encoding, self._errors) if self._encoding else codes
        glyphs = [self._glyphs[unit] for unit in units]
        spaces = 0 if self._encoding else codes.count(b" ")
        return "".join([letters for letters, _ in glyphs]), sum([width for _, width in glyphs]), len(glyphs), spaces


class _Glyphs(dict[Any, tuple[str, float]]):
    """What each code of a font shows and how wide it is, looked up when it is first seen."""

    def __init__(self, font: FontResource, resource: DictionaryObject) -> None:
        self._font, self._default = font, float(font.character_widths["default"])
        matrix = cast(Any, resource.get("/FontMatrix"))
        self._scale = 1000 * float(matrix[0]) if resource.get("/Subtype") == "/Type3" and matrix else 1.0
        self._built_in = _built_in_encoding(resource)

    def __missing__(self, code: int | str) -> tuple[str, float]:
        raw = chr(code) if isinstance(code, int) else code
        width = float(self._font.character_widths.get(raw, self._default)) * self._scale
        encoding = self._font.encoding
        if code in self._built_in:
            self[code] = known = self._built_in[code], width
            return known
        named = encoding.get(code, raw) if isinstance(code, int) and isinstance(encoding, dict) else raw
        text = "".join(self._font.character_map.get(letter, letter) for letter in named)
        self[code] = glyph = _letters(text), width
        return glyph


def _letters(text: str) -> str:
    if not text or (text.isascii() and text.isprintable()):
        return text
    return "".join(
        UNKNOWN
        if letter < " " or "\x7f" <= letter < "\xa0" or letter in "\ufffe\uffff"
        else _LETTERS.get(letter, letter)
        for letter in text
    )


def _built_in_encoding(resource: DictionaryObject) -> dict[Any, str]:
    """What an embedded Type 1 font itself calls the glyphs of its codes, where the PDF says nothing, as TeX's do."""
    if resource.get("/Subtype") != "/Type1" or "/Encoding" in resource or "/ToUnicode" in resource:
        return {}
    file = cast(Any, resource.get("/FontDescriptor", DictionaryObject()).get_object()).get("/FontFile")
    head = file.get_object().get_data().partition(b"eexec")[0] if file is not None else b""
    named = {int(code): f"/{name.decode('latin-1')}" for code, name in _ENCODED.findall(head)}
    return {code: adobe_glyphs[name] for code, name in named.items() if name in adobe_glyphs}


def _has_codes_only(resource: DictionaryObject) -> bool:
    """Whether its codes number the shapes of a font that was cut down, and nothing says which letters those are."""
    if "/ToUnicode" in resource or resource.get("/Subtype") != "/Type0":
        return False
    if not str(resource.get("/Encoding", "")).startswith("/Identity"):
        return False
    descendant = cast(Any, resource["/DescendantFonts"])[0].get_object()
    return str(descendant.get("/CIDSystemInfo", {}).get("/Ordering", "Identity")) == "Identity"
