"""The text of bytes whose encoding is given, marked, or evident; `encodings.py` guesses the others.

Nothing but Python's own codecs is needed here, and time is bounded by the length.
"""

import contextlib
import unicodedata
from typing import NamedTuple

from kveraser_core.documents.encoding.labels import codec_asked_for
from kveraser_core.documents.errors import damaged
from kveraser_core.documents.kinds import not_a_document

_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_ESCAPES = {b"\x1b$B": "iso2022_jp_2", b"\x1b$@": "iso2022_jp_2", b"\x1b$)C": "iso2022_kr"}
_CONTROLS = [chr(code) for code in range(1, 32) if chr(code) not in "\t\n\r\f\v\x1b"]


class Decoded(NamedTuple):
    """Text, what is to be said of it, and the encoding, if that was guessed."""

    text: str
    warnings: list[str]
    guessed: str | None = None


def byte_order_mark(data: bytes) -> str | None:
    """The encoding that the first bytes name."""
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), None)


def decoded(data: bytes, title: str, encoding: str | None = None) -> Decoded | None:
    """The text in `encoding` or, without one, as the bytes show it; `None` where they do not.

    Raises `DocumentError` for an encoding that does not exist, `DamagedDocument` and `NotADocument`.
    """
    if encoding:
        codec = codec_asked_for(encoding)
        return _without_nuls(_told_bad(data.decode(codec, "replace"), codec), title)
    if mark := byte_order_mark(data):
        try:
            return _without_nuls(Decoded(data.decode(mark), []), title)
        except UnicodeDecodeError as error:
            raise damaged(title) from error
    if b"\0" in data and (wide := _wide_text(data)):
        return _without_nuls(Decoded(wide, []), title)
    if shifted := next((codec for escape, codec in _ESCAPES.items() if escape in data), None):
        with contextlib.suppress(UnicodeDecodeError):
            return Decoded(data.decode(shifted), [])
    try:
        return _without_nuls(Decoded(data.decode("utf-8"), []), title)
    except UnicodeDecodeError:
        if b"\0" in data:
            _without_nuls(Decoded(data.decode("latin-1"), []), title)
        return None


def _told_bad(text: str, codec: str) -> Decoded:
    if bad := text.count("\ufffd"):
        return Decoded(text, [f"The file has {bad:,} characters that are none in {codec}; each is shown as \ufffd."])
    return Decoded(text, [])


def _without_nuls(found: Decoded, title: str) -> Decoded:
    """Without NUL characters. Raises `NotADocument` where they or other control characters are too many for text."""
    if not (nuls := found.text.count("\0")):
        return Decoded(no_binary(found.text, title), found.warnings)
    text = found.text.replace("\0", "")
    if nuls * 5 > len(found.text):
        raise not_a_document(title)
    said = f"The file has {nuls:,} NUL characters among its text, which were left out."
    return Decoded(no_binary(text, title), [*found.warnings, said])


def no_binary(text: str, title: str) -> str:
    """`text`. Raises `NotADocument` where more than a fiftieth of it are control characters."""
    if _is_binary(text):
        raise not_a_document(title)
    return text


def _is_binary(text: str) -> bool:
    return sum(map(text.count, _CONTROLS)) * 50 > len(text)


def _wide_text(data: bytes) -> str | None:
    """Text of two or four bytes a character without a mark, told by where its zeros are."""
    zeros = [data[at::4].count(0) for at in range(4)]
    for encoding, width, high, low in (
        ("utf-32-le", 4, zeros[2:], zeros[:1]),
        ("utf-32-be", 4, zeros[:2], zeros[3:]),
        ("utf-16-le", 2, [zeros[1] + zeros[3]], [zeros[0] + zeros[2]]),
        ("utf-16-be", 2, [zeros[0] + zeros[2]], [zeros[1] + zeros[3]]),
    ):
        units = len(data) // width
        mostly_zero = units and min(high) * 4 > units
        if sum(low) * 2 > min(high) or not min(high) or (not mostly_zero and (width == 4 or _is_narrow(data))):
            continue
        try:
            text = data[: units * width].decode(encoding)
        except UnicodeDecodeError:
            continue
        looked_at = text[:20_000]
        unknown = sum(unicodedata.category(character) in {"Cn", "Co"} for character in looked_at)
        if unknown * 50 <= len(looked_at) and not _is_binary(looked_at):
            return text
    return None


def _is_narrow(data: bytes) -> bool:
    """Whether it is text of one byte and more a character among which there are zeros."""
    try:
        return not _is_binary(data.replace(b"\0", b"").decode("utf-8"))
    except UnicodeDecodeError:
        return False
