"""Measuring the grid: everyone in one process, warm, in turns, the device synchronised.

A context of each length is read in turns as well, the last reading serving all its cells. In a cell each
member erases the same span and answers the same question. A first round warms up and measures memory, and its
times are not kept, but for those of a member so slow that warmth does not matter; the rounds after it are. What the
device can do is measured before every round, since a machine that others share is faster one minute than the next. A
member that has used up its budget in a cell runs no further there.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from kveraser_core.benchmark.contender import Contender, Sample
from kveraser_core.benchmark.grid import Cell, Plan, Results
from kveraser_core.benchmark.limits import Speeds
from kveraser_core.benchmark.machine import OthersWatch, peak_memory
from kveraser_core.benchmark.ours import Ours
from kveraser_core.documents.spans import Span

_SO_SLOW = 30.0
"""Seconds of a first run from which on its times are kept."""


class _Member(NamedTuple):
    """One way of one contender in a cell."""

    contender: Contender
    way: str


def measure(
    ours: Ours,
    peers: Sequence[Contender],
    ids: Sequence[int],
    plan: Plan,
    speeds: Callable[[], Speeds],
    results: Results,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Measure what `results` does not have yet of `plan`, on contexts that are the first of the tokens `ids`.

    `speeds` measures what the device can do, and `report` gets lines of progress.
    """
    for length in plan.lengths:
        taking_part = [ours, *(peers if length in plan.peer_lengths else ())]
        members = [_Member(contender, way) for contender in taking_part for way in contender.ways]
        start = len(ours.prompt.head_ids)
        runs = [_CellRun(cell, cell.slots(start), members, plan, results) for cell in plan.cells(length)]
        unfinished = [run for run in runs if run.left()]
        waiting = {id(member.contender) for run in unfinished for member in run.left()}
        readers = [contender for contender in taking_part if id(contender) in waiting]
        report(f"{length:,} tokens: {', '.join(reader.program for reader in readers)} read the context")
        _read_in_turns(readers, ids[:length], ours, plan, speeds, results)
        for run in unfinished:
            report(f"{length:,} tokens: {run.cell.span} erased at the {run.cell.position}")
            run.measure(ours.backbone.device, speeds)
        for contender in taking_part:
            contender.free()


def _read_in_turns(
    readers: Sequence[Contender],
    ids: Sequence[int],
    ours: Ours,
    plan: Plan,
    speeds: Callable[[], Speeds],
    results: Results,
) -> None:
    """Let everyone read the context, and again while they have readings and budget left."""

    def has_left(reader: Contender) -> bool:
        done = results.find("prefill", length=len(ids), program=reader.program)
        return len(done) < plan.readings and sum(row["seconds"] for row in done) < plan.budget

    while readers:
        now = speeds()
        for reader in readers:
            results.add(
                what="prefill",
                length=len(ids),
                program=reader.program,
                seconds=reader.read(ids),
                limit_s=now.seconds(ours.prefill_work(len(ids))) if reader.same_weights else None,
                context_bytes=len(ids) * ours.size.token_bytes,
                beyond_window=ours.beyond_window(len(ids)),
            )
        readers = [reader for reader in readers if has_left(reader)]


class _CellRun:
    """The measuring of one cell."""

    def __init__(self, cell: Cell, span: Span, members: Sequence[_Member], plan: Plan, results: Results) -> None:
        self.cell, self.span, self.members, self.plan, self.results = cell, span, members, plan, results

    def left(self) -> list[_Member]:
        """The members that have repeats and budget left."""
        return [member for member in self.members if self._has_left(member.way)]

    def _has_left(self, way: str) -> bool:
        done = self.results.find("run", **self.cell._asdict(), member=way)
        return len(done) < self.plan.repeats and sum(row["seconds"] for row in done) < self.plan.budget

    def measure(self, device: torch.device, speeds: Callable[[], Speeds]) -> None:
        """The warm-up round, then rounds until nobody has any left."""
        now = speeds()
        for member in self.left():
            with peak_memory(device) as peak:
                sample, seconds, others = self._run(member)
            if not self.results.find("memory", **self.cell._asdict(), member=member.way):
                grown = peak.grown if member.contender.owns_context else None
                self.results.add(what="memory", **self.cell._asdict(), member=member.way, peak_bytes=grown)
            if seconds >= min(self.plan.budget, _SO_SLOW):
                self._keep(member, sample, seconds, others, now)
        while members := self.left():
            now = speeds()
            for member in members:
                self._keep(member, *self._run(member), now)

    def _run(self, member: _Member) -> tuple[Sample, float, float]:
        """One run, the seconds it took in all, and the cores that others used meanwhile."""
        watch, started = OthersWatch(), time.perf_counter()
        sample = member.contender.run(member.way, self.span)
        return sample, time.perf_counter() - started, watch.cores()

    def _keep(self, member: _Member, sample: Sample, seconds: float, others: float, speeds: Speeds) -> None:
        limits: dict[str, float | None] = {"erase_limit_s": None, "ttft_limit_s": None, "decode_limit": None}
        if sample.work is not None:
            erase, first_token, decode = sample.work
            limits = {
                "erase_limit_s": speeds.seconds(*erase),
                "ttft_limit_s": speeds.seconds(*first_token),
                "decode_limit": 1 / speeds.seconds(decode),
            }
        self.results.add(
            what="run",
            **self.cell._asdict(),
            member=member.way,
            erase_s=sample.erase_s,
            ttft_s=sample.ttft_s,
            decode_tokens_per_s=sample.decode_tokens_per_s,
            **limits,
            seconds=seconds,
            others_cores=round(others, 3),
        )
