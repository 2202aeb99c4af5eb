"""The text of bytes that neither a mark nor UTF-8 explains: as a page declares, or as it most likely is."""

import re

from bs4.dammit import EncodingDetector
from charset_normalizer import CharsetMatch, from_bytes

from kveraser_core.documents.encoding.decoding import Decoded
from kveraser_core.documents.encoding.labels import codec_named
from kveraser_core.documents.kinds import is_html, not_a_document

_TWO_BYTES = ["gb18030", "big5", "cp949", "cp932", "euc_jp"]
_ONE_BYTE = [
    "cp1252", "cp1250", "iso8859_2", "cp1251", "koi8_r", "koi8_u", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257",
    "cp874", "mac_roman",
]  # fmt: skip
_TORN = re.compile(
    r"(?<=[^\W\d_])(?:[¹²³¼½¾]|[^\w\s\x00-\x7f\u0300-\u036f\u0590-\u06ff\u0e00-\u0e7f‘’–—…])(?=[^\W\d_])"
)
"""A sign in the middle of a word, such as `wosta³a`: a letter in another encoding."""
_GUESSED = (
    "The file does not say its encoding; it was guessed as {}: choose another with --encoding if letters look wrong."
)


def unmarked_text(data: bytes, title: str) -> Decoded:
    """Text as its page declares, as UTF-8, or in the likeliest older encoding.

    Raises `NotADocument` where none fits.
    """
    data = data.replace(b"\0", b"")
    declared = _declared(data)
    for encoding in [declared, "utf-8"] if declared else ["utf-8"]:
        try:
            return Decoded(data.decode(encoding), [])
        except UnicodeDecodeError:
            continue
    if declared:
        return _with_bad_bytes(data.decode(declared, "replace"), declared)
    nearly = data.decode("utf-8", "replace")
    if nearly.count("\ufffd") * 4 <= sum(character > "\x7f" for character in nearly):
        return _with_bad_bytes(nearly, "utf-8")
    if match := _likeliest(data):
        guessed = match.encoding.replace("_", "-")
        return Decoded(str(match), [_GUESSED.format(guessed)], guessed)
    raise not_a_document(title)


def _with_bad_bytes(text: str, encoding: str) -> Decoded:
    said = f"Some bytes of the file are none in {encoding}; each is shown as \ufffd: choose another with --encoding."
    return Decoded(text, [said])


def _declared(data: bytes) -> str | None:
    if not is_html(data[:100_000].decode("latin-1")):
        return None
    name = EncodingDetector.find_declared_encoding(data[:8192], is_html=True, search_entire_document=True)
    known = codec_named(name) if name else None
    return "utf-8" if known and known.startswith("utf") else known


def _likeliest(data: bytes) -> CharsetMatch | None:
    """By kana, words without signs, charset-normalizer's measures, then case, then the order above."""
    order = [*_TWO_BYTES, *_ONE_BYTE] if re.search(rb"[\x80-\xff]{2}", data) else _ONE_BYTE
    matches = list(from_bytes(data, cp_isolation=order))
    least = min((match.chaos for match in matches), default=0.0)

    def rank(match: CharsetMatch) -> tuple[bool, bool, bool, float, bool, int]:
        letters = [c for c in str(match)[:20_000] if c > "\x7f" and c.isalpha()]
        kana = sum("\u3041" <= c <= "\u309f" for c in letters) * 4 >= max(len(letters), 1)
        shouted = sum(map(str.isupper, letters)) * 2 > len(letters)
        place = min(order.index(name) for name in match.could_be_from_charset if name in order)
        japanese = kana and match.encoding in {"cp932", "euc_jp"}
        torn = len(_TORN.findall(str(match)[:20_000])) * 50 > len(letters)
        return not japanese, torn, match.chaos > least + 0.03, -round(match.coherence, 2), shouted, place

    return min(matches, key=rank) if matches else None
