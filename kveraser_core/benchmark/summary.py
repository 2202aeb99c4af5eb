"""From rows to figures: medians with their spread, beside their limits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from kveraser_core.benchmark.grid import Row
from kveraser_core.benchmark.ours import FRESH
from kveraser_core.benchmark.peers import PEERS
from kveraser_core.methods import ordered


class Place(NamedTuple):
    """Where in a context of any length a span of some tokens was erased."""

    span: int
    position: str

    def __str__(self) -> str:
        return f"{self.span:,} tokens erased at the {self.position}"


@dataclass(frozen=True)
class Figure:
    """What `n` repeats measured, and the limit: of seconds the least, of rates the most; `None` where unknown."""

    median: float
    low: float
    high: float
    n: int
    limit: float | None

    @classmethod
    def of(cls, rows: Sequence[Row], name: str, limit: str) -> "Figure":
        """What `rows` say under `name`, with their limits under `limit`."""
        values = [row[name] for row in rows]
        limits = [row[limit] for row in rows if row[limit] is not None]
        return cls(median(values), min(values), max(values), len(values), median(limits) if limits else None)

    @property
    def ratio(self) -> float | None:
        """How many times the limit it is."""
        return self.median / self.limit if self.limit else None


_LIMITS = {"erase_s": "erase_limit_s", "ttft_s": "ttft_limit_s", "decode_tokens_per_s": "decode_limit"}


class Summary:
    """The rows of a results file, by place, length and member."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        runs = self.about("run")
        self.places = sorted(
            {Place(row["span"], row["position"]) for row in runs}, key=lambda p: (p.span, p.position)
        )
        self.lengths = sorted({row["length"] for row in runs})

    def about(self, what: str, **wanted: Any) -> list[Row]:
        """The rows about `what` that have the `wanted` values."""
        return [row for row in self.rows if row["what"] == what and wanted.items() <= row.items()]

    def members(self, place: Place, length: int | None = None) -> list[str]:
        """Who was measured there: erase methods, the fresh prefill, then peers."""
        wanted = {} if length is None else {"length": length}
        measured = {row["member"] for row in self.about("run", **place._asdict(), **wanted)}
        others = [name for name in (FRESH, *PEERS) if name in measured]
        return [*ordered(measured.difference(others)), *others]

    def figure(self, name: str, place: Place, length: int, member: str) -> Figure | None:
        """The figure `erase_s`, `ttft_s` or `decode_tokens_per_s` of one member of one cell, if it was measured."""
        rows = self.about("run", **place._asdict(), length=length, member=member)
        if not rows:
            return None
        return Figure.of(rows, name, _LIMITS[name])

    def readings(self, length: int) -> dict[str, Figure]:
        """The seconds in which each program read a context."""
        rows = self.about("prefill", length=length)
        programs = dict.fromkeys(row["program"] for row in rows)
        return {
            program: Figure.of([row for row in rows if row["program"] == program], "seconds", "limit_s")
            for program in programs
        }

    def curve(self, name: str, place: Place, member: str) -> list[tuple[int, Figure]]:
        """That figure at every length where it was measured, the shortest first."""
        found = ((length, self.figure(name, place, length, member)) for length in self.lengths)
        return [(length, figure) for length, figure in found if figure is not None]

    def beyond_window(self, length: int) -> bool:
        """Whether answers at `length` ended beyond the model's window."""
        return any(row["beyond_window"] for row in self.about("prefill", length=length))


def growth(values: Iterable[float]) -> float | None:
    """How many times the first of `values` the last is."""
    known = list(values)
    return known[-1] / known[0] if len(known) > 1 and known[0] else None
