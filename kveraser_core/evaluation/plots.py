"""Results as plots: accuracy against length, fidelity against latency."""

from collections.abc import Callable
from pathlib import Path

import matplotlib
from cycler import cycler

from kveraser_core.evaluation.report import Row, measured_methods
from kveraser_core.evaluation.runner import NOISE_FLOOR, REFERENCE

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_LEAST_KL = 1e-6


def write_plots(rows: list[Row], out: Path) -> None:
    """Write `accuracy.png` and `fidelity.png` into `out`."""
    _accuracy(rows, out / "accuracy.png")
    _fidelity(rows, out / "fidelity.png")


def _accuracy(rows: list[Row], path: Path) -> None:
    lengths = sorted({row["tokens"] for row in rows})
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    axes.set_prop_cycle(cycler(linestyle=["-", "--"]) * cycler(color=matplotlib.color_sequences["tab10"]))
    for method in measured_methods(rows):
        own = [row for row in rows if row["method"] == method and row["reference_correct"]]
        accuracy = [_mean(own, "correct", lambda row, tokens=tokens: row["tokens"] == tokens) for tokens in lengths]  # type: ignore[misc]
        axes.plot(lengths, accuracy, marker="o", label=method)
    axes.set(xlabel="document, tokens", ylabel="accuracy where full recompute is right", xscale="log", ylim=(0, 1.05))
    axes.set_xticks(lengths, [f"{length:,}" for length in lengths])
    axes.minorticks_off()
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    _save(figure, path)


def _fidelity(rows: list[Row], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for method in measured_methods(rows):
        own = [row for row in rows if row["method"] == method]
        seconds, kl = _mean(own, "ttft_s"), max(_mean(own, "kl"), _LEAST_KL)
        if method == NOISE_FLOOR:
            axes.axhline(kl, linestyle=":", color="grey")
            axes.annotate(method, (0, kl), (4, 3), xycoords=("axes fraction", "data"), textcoords="offset points")
        elif method != REFERENCE:
            axes.scatter(seconds, kl)
            axes.annotate(method, (seconds, kl), (6, 3), textcoords="offset points")
    axes.set(xlabel="time to first token, s", ylabel="KL to full recompute, nats a token", yscale="log")
    axes.margins(x=0.2)
    _save(figure, path)


def _mean(rows: list[Row], figure: str, chosen: Callable[[Row], bool] = lambda row: True) -> float:
    values = [row[figure] for row in rows if chosen(row)]
    return sum(values) / len(values) if values else float("nan")


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=150)
    plt.close(figure)
