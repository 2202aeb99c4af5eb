"""The text of an RTF file."""

import re
from typing import NamedTuple

from kveraser_core.documents.beside import COMMENTS, DELETED, HIDDEN, running_texts
from kveraser_core.documents.encoding.labels import codec_named
from kveraser_core.documents.errors import damaged
from kveraser_core.documents.formats import Extract
from kveraser_core.documents.scripts import lowered, raised

_TOKEN = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_CELL = "\x07"
_TEXT = {
    "par": "\n\n", "line": "\n", "sect": "\n\n", "page": "\n\n", "column": "\n", "row": "\n", "nestrow": "\n",
    "tab": "\t", "cell": _CELL, "nestcell": _CELL, "emdash": "—", "endash": "–", "emspace": " ", "enspace": " ",
    "qmspace": " ", "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”",
    "~": "\xa0", "_": "-", "{": "{", "}": "}", "\\": "\\", "\n": "\n\n", "\r": "\n\n", "\t": "\t",
}  # fmt: skip
_SKIPPED = {
    "fonttbl", "colortbl", "stylesheet", "info", "pict", "fldinst", "objdata", "objclass", "sp", "themedata",
    "filetbl", "listtable", "listoverridetable", "revtbl", "rsidtbl", "generator", "xe", "tc", "bkmkstart",
    "bkmkend", "atnid", "atnauthor", "nonesttables", "deleted", "ftnsep", "ftnsepc", "aftnsep", "aftnsepc",
    "pntxtb", "pntxta", "ud", "nonshppict", "do", "datastore", "latentstyles", "mmathPr", "background",
    "txfieldinstr",
}  # fmt: skip
_READ_THOUGH_STARRED = {"shpinst", "shptxt", "moMath", "moMathPara", "fldrslt", "bkmkref"}
_ASIDE = {"header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf", "footnote", "shptxt"}
_BULLET = re.compile("[•·▪◦\\uf000-\\uf0ff]")
_CHARSETS = {
    0: "cp1252", 77: "mac-roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "big5",
    161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251",
    222: "cp874", 238: "cp1250",
}  # fmt: skip
_CHARACTER_PAGES = {"ansi": "cp1252", "mac": "mac-roman", "pc": "cp437", "pca": "cp850"}
_SCRIPTS = {"super": raised, "sub": lowered}


class _Part:
    """The body, or what stands beside it: a header, a footer, a note."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, str]] = []

    def text(self) -> str:
        done, run, kind = [], "", ""
        for piece, script in [*self.pieces, ("", "end")]:
            if script != kind:
                done.append(_SCRIPTS[kind](run) if kind in _SCRIPTS else run)
                run, kind = "", script
            run += piece
        cells = re.sub(rf"\s*{_CELL}", "\t", "".join(done))
        return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", cells)).strip()


class _State(NamedTuple):
    """What holds inside a group."""

    part: _Part
    skipped: bool = False
    hidden: bool = False
    script: str = ""
    font: int = 0
    fallback: int = 1
    starred: bool = False
    label: bool = False


class _Reader:
    def __init__(self) -> None:
        self.body = _Part()
        self.state = _State(self.body)
        self.stack: list[_State] = []
        self.page = "cp1252"
        self.fonts: dict[int, str] = {}
        self.defined: int | None = None
        self.bytes = bytearray()
        self.to_skip = 0
        self.beside: dict[str, list[str]] = {"header": [], "footer": []}
        self.opened: dict[int, str] = {}
        self.notes: list[str] = []
        self.said: dict[str, None] = {}

    def add(self, text: str) -> None:
        if self.to_skip:
            dropped = min(self.to_skip, len(text))
            self.to_skip -= dropped
            text = text[dropped:]
        state = self.state
        if state.label:
            text = _BULLET.sub("-", text.replace("\t", " ").lstrip(" ") or text[-1:].replace("\t", " "))
        if state.skipped or not text:
            return
        if state.hidden:
            self.said[HIDDEN] = None
        else:
            state.part.pieces.append((text, state.script))

    def flush(self) -> None:
        """What bytes above ASCII have gathered, in the code page of their font."""
        if self.bytes:
            self.add(bytes(self.bytes).decode(self.fonts.get(self.state.font, self.page), "replace"))
            self.bytes.clear()

    def group(self, brace: str) -> None:
        self.to_skip = 0
        if brace == "{":
            self.stack.append(self.state)
        elif self.stack:
            if name := self.opened.pop(len(self.stack), None):
                self.close(name, self.state.part.text().strip())
            self.state = self.stack.pop()

    def close(self, name: str, text: str) -> None:
        if name == "footnote":
            self.notes.append(text)
            self.state = self.stack[-1]
            self.add(f"[{len(self.notes)}]")
        elif name == "shptxt":
            self.state = self.stack[-1]
            self.add(f"\n\n{text}\n\n")
        else:
            self.beside[name[:6]].append(text)

    def control(self, name: str, number: int | None) -> None:
        state, on = self.state, number != 0
        if name in _SKIPPED or (state.starred and name not in _READ_THOUGH_STARRED | _ASIDE):
            if name == "deleted" and not on:
                return
            if name in _SAID:
                self.said[_SAID[name]] = None
            self.state = state._replace(skipped=True, starred=False)
        elif name in _ASIDE and not state.skipped:
            self.state = state._replace(part=_Part(), script="", starred=False)
            self.opened[len(self.stack)] = name
        elif name in {"listtext", "pntext"}:
            self.state = state._replace(label=True)
        elif name == "u" and number is not None:
            self.add(chr(number % 65536))
            self.to_skip = state.fallback
        elif name == "uc":
            self.state = state._replace(fallback=number or 0)
        elif name == "f":
            self.state, self.defined = state._replace(font=number or 0), number
        elif name == "fcharset" and self.defined is not None and number in _CHARSETS:
            self.fonts[self.defined] = _CHARSETS[number]
        elif name == "ansicpg" and number:
            self.page = codec_named(f"cp{number}") or self.page
        elif name in _CHARACTER_PAGES:
            self.page = _CHARACTER_PAGES[name]
        elif name == "v":
            self.state = state._replace(hidden=on)
        elif name in {"super", "sub"}:
            self.state = state._replace(script=name if on else "")
        elif name in {"up", "dn"}:
            lifted = number is None or number > 2
            self.state = state._replace(script=({"up": "super", "dn": "sub"}[name] if lifted else ""))
        elif name in {"nosupersub", "plain"}:
            self.state = state._replace(script="", hidden=state.hidden and name != "plain")
        elif name in _TEXT:
            self.add(_TEXT[name])
        if self.state.starred:
            self.state = self.state._replace(starred=False)


_SAID = {
    "annotation": COMMENTS,
    "deleted": DELETED,
    "objdata": "The data of embedded objects was left out; what shows of them was read.",
}


def rtf_text(data: bytes, title: str) -> Extract:
    """Paragraphs, tables and text boxes in order, headers before and footers and notes after them.

    Raises `DamagedDocument` where it breaks off before its text begins.
    """
    source = data.decode("latin-1")
    reader, at = _Reader(), source.index("{\\rtf")
    while token := _TOKEN.match(source, at):
        at = token.end()
        word, number, code, sign, brace, text = token.groups()
        if code and reader.to_skip:
            reader.to_skip -= 1
            continue
        if code:
            reader.bytes.append(int(code, 16))
            continue
        if text and not text.isascii():
            reader.bytes += text.encode("latin-1")
            continue
        reader.flush()
        if text:
            reader.add(text)
        elif brace:
            reader.group(brace)
            if brace == "}" and not reader.stack:
                break
        elif word == "bin" and number:
            at += max(int(number), 0)
        elif word:
            reader.control(word, int(number) if number else None)
        elif sign == "*":
            reader.state = reader.state._replace(starred=True)
        elif sign:
            reader.add(_TEXT.get(sign, ""))
    reader.flush()
    body = reader.body.text()
    notes = [f"[{number}] {text}" for number, text in enumerate(reader.notes, 1)]
    headers, footers = (running_texts(reader.beside[kind]) for kind in ("header", "footer"))
    parts = [*headers, body, *notes, *footers]
    if not body and reader.stack:
        raise damaged(title)
    return Extract(["\n\n".join(part for part in parts if part)], list(reader.said))
