"""What a name of an encoding means: as browsers take it, or as Python does where they do not know it."""

import codecs

from kveraser_core.documents.errors import DocumentError

_AS_BROWSERS_DO = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs",
}  # fmt: skip
_NOT_OF_FILES = ("unicode", "raw", "puny", "idna")


def codec_named(label: str) -> str | None:
    """The name of the codec for `label`, `None` where there is none for text."""
    import webencodings

    try:
        known = webencodings.lookup(label)
        name = codecs.lookup(known.codec_info.name if known else label.strip()).name
        "".encode(name)
    except (LookupError, UnicodeError, ValueError):
        return None
    return None if name.startswith(_NOT_OF_FILES) else _AS_BROWSERS_DO.get(name, name)


def codec_asked_for(label: str) -> str:
    """The same for the user's choice. Raises `DocumentError`."""
    if name := codec_named(label):
        return name
    raise DocumentError(f"There is no encoding called {label!r}: give one such as utf-8, windows-1252 or shift_jis.")
