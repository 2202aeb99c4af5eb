"""The lines of a page as they are laid out."""

from collections.abc import Callable


class Flow:
    """Gaps are asked for, and made when more text comes; so is the marker of a list's item."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.lines = 0
        self.space = ""
        self.marker = ""
        self._begun = 0
        self._cell_begins = False

    def gap(self, lines: int) -> None:
        if lines and not self._cell_begins:
            self.lines, self.space = max(self.lines, lines), ""

    def add(self, text: str, preformatted: bool) -> None:
        words = text if preformatted else " ".join(text.split())
        if not preformatted and text[:1].isspace() and not self.lines:
            self.space = self.space or " "
        if words:
            self._cell_begins = False
            self.parts += ["\n" * self.lines, self.space, self.marker, words]
            self.lines, self.marker = 0, ""
            self.space = " " if not preformatted and text[-1].isspace() else ""

    def begin_cell(self) -> None:
        """What begins here is a cell: no gap parts it from the one before."""
        self._cell_begins = True

    def end_cell(self) -> None:
        self.lines, self._cell_begins = self.lines if self._cell_begins else 0, False

    def part(self) -> None:
        """A space between what has come and what comes."""
        self.space = self.space or ("" if self.lines else " ")

    def begin(self) -> None:
        """From here to `end` all is one superscript or subscript. What is due is made before."""
        self.parts += ["\n" * self.lines, self.space, self.marker]
        self.lines, self.space, self.marker = 0, "", ""
        self._begun = len(self.parts)

    def end(self, write: Callable[[str], str]) -> None:
        self.parts[self._begun :] = [write("".join(self.parts[self._begun :]))]

    def text(self) -> str:
        lines = [line.rstrip() for line in "".join(self.parts).split("\n")]
        kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
        return "\n".join(kept).strip("\n").removeprefix(" ")
