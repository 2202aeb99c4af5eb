"""Results as Markdown tables with intervals, and as plots."""

import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import matplotlib
import torch

from kveraser_core.erasers import METHODS
from kveraser_core.evaluation.metrics import interval
from kveraser_core.evaluation.runner import NOISE_FLOOR

matplotlib.use("Agg")
from matplotlib import pyplot as plt

Row = dict[str, Any]
_ORDER = [NOISE_FLOOR, *METHODS]


def write_report(rows: list[Row], command: str, out: Path) -> None:
    """Write `report.md` and the plots into `out`."""
    lines = [
        "# Evaluation",
        "",
        f"`{command}`",
        "",
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}. "
        "Means with 95% bootstrap intervals. Accuracy and leak count the examples that full recompute answers "
        "right; KL (nats a token) and top-1 are against full recompute along its own answer.",
        "",
    ]
    for task in dict.fromkeys(row["task"] for row in rows):
        lines += [f"## {task}", ""]
        for tokens in sorted({row["tokens"] for row in rows if row["task"] == task}):
            lines += _table([row for row in rows if row["task"] == task and row["tokens"] == tokens], tokens)
    (out / "report.md").write_text("\n".join(lines))
    _plots(rows, out)


def _table(rows: list[Row], tokens: int) -> list[str]:
    examples = {row["number"]: row["reference_correct"] for row in rows}
    lines = [
        f"{tokens:,} tokens, n = {len(examples)}, of which full recompute answers {sum(examples.values())} right",
        "",
        "| method | KL | top-1 | accuracy | leak | erase s | first token s | extra MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for method in [name for name in _ORDER if any(row["method"] == name for row in rows)]:
        own = [row for row in rows if row["method"] == method]
        answered = [row for row in own if row["reference_correct"]]
        cells = [
            _mean((row["kl"] for row in own), "{:.4f}"),
            _mean((row["top1"] for row in own), "{:.3f}"),
            _mean((row["correct"] for row in answered), "{:.2f}"),
            _mean((row["leak"] for row in own if row["leak"] is not None), "{:.2f}"),
            _mean((row["erase_s"] for row in own), "{:.3f}"),
            _mean((row["ttft_s"] for row in own), "{:.3f}"),
            f"{sum(row['extra_bytes'] for row in own) / len(own) / 2**20:.1f}",
        ]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _mean(values: Iterable[float], form: str) -> str:
    known = list(values)
    if not known:
        return "-"
    mean, low, high = interval(known)
    return f"{form.format(mean)} ({form.format(low)} to {form.format(high)})"


def _plots(rows: list[Row], out: Path) -> None:
    methods = [name for name in _ORDER if any(row["method"] == name for row in rows)]

    def mean(figure: str, chosen: Callable[[Row], bool]) -> float:
        values = [row[figure] for row in rows if chosen(row)]
        return sum(values) / len(values) if values else float("nan")

    lengths = sorted({row["tokens"] for row in rows})
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for method in methods:
        accuracy = [
            mean("correct", lambda r, m=method, n=n: r["method"] == m and r["tokens"] == n and r["reference_correct"])  # type: ignore[misc]
            for n in lengths
        ]
        axes.plot(lengths, accuracy, marker="o", label=method)
    axes.set(xlabel="document, tokens", ylabel="accuracy where full recompute is right", xscale="log", ylim=(0, 1.05))
    axes.legend(fontsize=8)
    figure.savefig(out / "accuracy.png", dpi=150)
    plt.close(figure)
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for method in [name for name in methods if name != "full_recompute"]:
        axes.scatter(
            mean("ttft_s", lambda r, m=method: r["method"] == m),  # type: ignore[misc]
            max(mean("kl", lambda r, m=method: r["method"] == m), 1e-6),  # type: ignore[misc]
            label=method,
        )
    axes.set(xlabel="time to first token, s", ylabel="KL to full recompute, nats a token", xscale="log", yscale="log")
    axes.legend(fontsize=8)
    figure.savefig(out / "fidelity.png", dpi=150)
    plt.close(figure)
