"""Results as Markdown tables with intervals: every task at every length, every task, all together."""

import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from kveraser_core.evaluation.metrics import exact_match, interval
from kveraser_core.evaluation.runner import NOISE_FLOOR, REFERENCE
from kveraser_core.methods import ordered

Row = dict[str, Any]
_LEGEND = (
    "Means with 95% bootstrap intervals. KL (nats a token) and top-1 compare with full recompute along its own "
    "answer. An answer is right that contains the gold one; the difference is that of the shares that are right, in "
    "points, from full recompute's on the same questions. Kept are the right answers among those that full recompute "
    "has right: where it is wrong, erasing cannot mend the model. Exact match and F1 are SQuAD v1.1's. A leak is an "
    "answer that says what was erased, where the task can tell."
)
_ORIGIN = ("model", "eraser", "engine", "dtype", "device", "commit", "seed")
_COLUMNS = (
    "| method | KL | top-1 | right | difference | kept | exact | F1 | leak | erase s | first token s | extra MB |"
)


def write_report(rows: list[Row], command: str, out: Path) -> None:
    """Write `report.md` into `out`."""
    machine = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    origin = ", ".join(f"{name} {rows[0].get(name)}" for name in _ORIGIN) if rows else "nothing measured"
    about = f"{origin}. {machine}, torch {torch.__version__}. {_LEGEND}"
    lines = ["# Evaluation", "", f"`{command}`", "", about, ""]
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    lines += ["## KL", "", *_by_task(rows, tasks)]
    if len(tasks) > 1:
        lines += ["## all tasks", "", *_table(rows, "all lengths")]
    for task in tasks:
        lines += [f"## {task}", ""]
        own = [row for row in rows if row["task"] == task]
        lengths = sorted({row["tokens"] for row in own})
        if len(lengths) > 1:
            lines += _table(own, "all lengths")
        for tokens in lengths:
            lines += _table([row for row in own if row["tokens"] == tokens], f"{tokens:,} tokens")
    (out / "report.md").write_text("\n".join(lines))


def measured_methods(rows: list[Row]) -> list[str]:
    """Who was measured, the noise floor first."""
    names = {row["method"] for row in rows}
    return [*names & {NOISE_FLOOR}, *ordered(names - {NOISE_FLOOR})]


def _by_task(rows: list[Row], tasks: list[str]) -> list[str]:
    """The KL of every method on every task, a table for all lengths and one for each."""
    lengths = sorted({row["tokens"] for row in rows})
    groups = [rows] if len(lengths) > 1 else []
    groups += [[row for row in rows if row["tokens"] == tokens] for tokens in lengths]
    lines = []
    for group in groups:
        shown = sorted({row["tokens"] for row in group})
        n = sum(row["method"] == REFERENCE for row in group) / len({row["task"] for row in group})
        title = f"{shown[0]:,} tokens" if len(shown) == 1 else f"{shown[0]:,} to {shown[-1]:,} tokens"
        lines += [f"| {title}, n = {n:g} a task | {' | '.join(tasks)} |", "| --- " * (len(tasks) + 1) + "|"]
        for method in measured_methods(group):
            cells = [
                _mean([row["kl"] for row in group if (row["task"], row["method"]) == (task, method)], "{:.4f}")
                for task in tasks
            ]
            lines.append(f"| `{method}` | {' | '.join(cells)} |")
        lines.append("")
    return lines


def _table(rows: list[Row], title: str) -> list[str]:
    """Every figure of every method over `rows`."""
    examples = [row for row in rows if row["method"] == REFERENCE]
    right = sum(row["correct"] for row in examples)
    lines = [
        f"{title}, n = {len(examples)}, of which full recompute answers {right} right",
        "",
        _COLUMNS,
        "| --- " * (_COLUMNS.count("|") - 1) + "|",
    ]
    for method in measured_methods(rows):
        own = [row for row in rows if row["method"] == method]
        cells = [
            _mean((row["kl"] for row in own), "{:.4f}"),
            _mean((row["top1"] for row in own), "{:.3f}"),
            _mean((row["correct"] for row in own), "{:.3f}"),
            _mean((100 * (row["correct"] - row["reference_correct"]) for row in own), "{:+.1f}"),
            f"{sum(row['correct'] for row in own if row['reference_correct'])} of {right}",
            _mean((exact_match(row["answer"], row["gold"]) for row in own), "{:.3f}"),
            _mean((row["f1"] for row in own), "{:.3f}"),
            _mean((row["leak"] for row in own if row["leak"] is not None), "{:.3f}"),
            _mean((row["erase_s"] for row in own), "{:.3f}"),
            _mean((row["ttft_s"] for row in own), "{:.3f}"),
            f"{sum(row['extra_bytes'] for row in own) / len(own) / 2**20:.1f}",
        ]
        lines.append(f"| `{method}` | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _mean(values: Iterable[float], form: str) -> str:
    known = list(values)
    if not known:
        return "-"
    mean, low, high = interval(known)
    return f"{form.format(mean)} ({form.format(low)} to {form.format(high)})"
