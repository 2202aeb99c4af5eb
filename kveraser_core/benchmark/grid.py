"""What is measured and what has been: the grid of cells, and the file of results."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kveraser_core.documents.spans import Span
from kveraser_core.errors import KVEraserError

POSITIONS = ("start", "middle", "end")
MARGIN = 64
"""Tokens of the context before a span at the start, the prompt among them, and after one at the end."""

Row = dict[str, Any]


class BadGrid(KVEraserError):
    """Lengths, spans or positions that do not go together."""


class Cell(NamedTuple):
    """One place in the grid: tokens of context, tokens erased, and where."""

    length: int
    span: int
    position: str

    def slots(self, document_start: int) -> Span:
        """The slots that are erased from a context whose document begins at slot `document_start`."""
        places = {
            "start": max(MARGIN, document_start),
            "middle": (self.length - self.span) // 2,
            "end": self.length - MARGIN - self.span,
        }
        start = places[self.position]
        return Span(start, start + self.span)


@dataclass(frozen=True)
class Plan:
    """What is measured: everyone reads a context `readings` times, each member of a cell runs `repeats` times.

    `budget` is in seconds for each of them; peers take part at `peer_lengths`.
    """

    lengths: Sequence[int]
    spans: Sequence[int]
    positions: Sequence[str]
    repeats: int
    readings: int
    budget: float
    peer_lengths: Sequence[int]

    def check(self, head: int, tokens: int) -> None:
        """Raise `BadGrid` unless every cell fits a prompt that opens with `head` tokens and a text of `tokens`."""
        if unknown := set(self.positions) - set(POSITIONS):
            raise BadGrid(f"There is no position {min(unknown)!r}: use {', '.join(POSITIONS)}.")
        if not (self.lengths and self.spans and self.positions and min(self.repeats, self.readings, *self.spans) > 0):
            raise BadGrid(
                "There is nothing to measure: give at least one length, span, position, repeat and reading."
            )
        if (needed := max(self.lengths) - head) > tokens:
            raise BadGrid(f"The text has {tokens:,} tokens and {needed:,} are needed: give a longer text.")
        if min(self.lengths) < (shortest := max(MARGIN, head) + max(self.spans) + MARGIN):
            raise BadGrid(
                f"A span of {max(self.spans):,} tokens needs a context of {shortest:,}: "
                "give greater lengths or shorter spans."
            )

    def cells(self, length: int) -> Iterator[Cell]:
        """The cells at one length."""
        return (Cell(length, span, position) for span in self.spans for position in self.positions)


class Results:
    """The rows measured so far, kept in a file of one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def add(self, **row: Any) -> None:
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def find(self, what: str, **wanted: Any) -> list[Row]:
        """The rows about `what` that have the `wanted` values."""
        return [row for row in self.rows if row["what"] == what and wanted.items() <= row.items()]
