"""The text of bytes that no byte order mark explains."""

import codecs
import re

from bs4.dammit import EncodingDetector
from charset_normalizer import CharsetMatch, from_bytes

from kveraser_core.documents.formats import is_html

_AS_BROWSERS_DO = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030",
    "shift_jis": "cp932", "euc_kr": "cp949",
}  # fmt: skip
_TWO_BYTES = ["gb18030", "big5", "cp949", "cp932", "euc_jp"]
_ONE_BYTE = ["cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254"]


def unmarked_text(data: bytes) -> str | None:
    """Text as its page declares, as UTF-8, or in the likeliest older encoding; `None` where none fits."""
    declared = _declared(data)
    for encoding in [declared, "utf-8"] if declared else ["utf-8"]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    if declared:
        return data.decode(declared, "replace")
    nearly = data.decode("utf-8", "replace")
    if nearly.count("\ufffd") * 4 <= sum(character > "\x7f" for character in nearly):
        return nearly
    return _likeliest(data)


def _declared(data: bytes) -> str | None:
    if not is_html(data[:4000].decode("latin-1")):
        return None
    name = EncodingDetector.find_declared_encoding(data[:8192], is_html=True, search_entire_document=True)
    if name is None:
        return None
    try:
        known = codecs.lookup(name).name
        "".encode(known)
    except (LookupError, UnicodeError):
        return None
    if known.startswith(("utf", "unicode", "raw", "puny", "idna")):
        return "utf-8"
    return _AS_BROWSERS_DO.get(known, known)


def _likeliest(data: bytes) -> str | None:
    """By charset-normalizer's measures; what they leave open, kana, then case, then the order above decide."""
    order = [*_TWO_BYTES, *_ONE_BYTE] if re.search(rb"[\x80-\xff]{2}", data) else _ONE_BYTE
    matches = list(from_bytes(data, cp_isolation=order))
    least = min((match.chaos for match in matches), default=0.0)

    def rank(match: CharsetMatch) -> tuple[bool, bool, float, bool, int]:
        letters = [c for c in str(match)[:20_000] if c > "\x7f" and c.isalpha()]
        kana = sum("\u3041" <= c <= "\u309f" for c in letters) * 4 >= max(len(letters), 1)
        shouted = sum(map(str.isupper, letters)) * 2 > len(letters)
        place = min(order.index(name) for name in match.could_be_from_charset if name in order)
        japanese = kana and match.encoding in {"cp932", "euc_jp"}
        return not japanese, match.chaos > least + 0.03, -round(match.coherence, 2), shouted, place

    return str(min(matches, key=rank)) if matches else None
