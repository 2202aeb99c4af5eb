"""Plots of the results: one line for each member, its growth written on it."""

from pathlib import Path
from typing import Any

import matplotlib
from cycler import cycler

from kveraser_core.benchmark.grid import Row
from kveraser_core.benchmark.summary import Place, Summary, growth

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def write_plots(rows: list[Row], out: Path) -> list[Path]:
    """Write the plots of every place in the grid into `out`; returns their paths."""
    summary = Summary(rows)
    return [
        _plot(summary, place, figure, label, out)
        for place in summary.places
        for figure, label in (
            ("ttft_s", "time to first token after the erase, s"),
            ("decode_tokens_per_s", "decoding, tokens/s"),
        )
    ]


def _plot(summary: Summary, place: Place, name: str, label: str, out: Path) -> Path:
    figure, axes = plt.subplots(figsize=(9, 6), layout="constrained")
    axes.set_prop_cycle(cycler(linestyle=["-", "--"]) * cycler(color=matplotlib.color_sequences["tab10"]))
    ends: list[tuple[float, str, Any]] = []
    for member in summary.members(place):
        curve = summary.curve(name, place, member)
        lengths, values = [length for length, _ in curve], [point.median for _, point in curve]
        spread = [
            [point.median - point.low for _, point in curve],
            [point.high - point.median for _, point in curve],
        ]
        (line, *_) = axes.errorbar(lengths, values, yerr=spread, marker="o", markersize=4, capsize=2)
        grown = growth(values)
        text = member if grown is None else f"{member}  ×{grown:.3g}"
        if grown is not None and lengths != summary.lengths:
            text += f" ({_short(lengths[0])} to {_short(lengths[-1])})"
        ends.append((values[-1], text, line.get_color()))
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="context, tokens",
        ylabel=label,
        title=f"{place}; × is the growth from {_short(summary.lengths[0])} to {_short(summary.lengths[-1])}",
    )
    axes.set_xticks(summary.lengths, [_short(length) for length in summary.lengths])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    for number, window in enumerate(length for length in summary.lengths if summary.beyond_window(length)):
        if number == 0:
            axes.axvspan(window * 0.97, summary.lengths[-1] * 1.03, color="0.93", zorder=0)
            axes.text(
                window, 0.01, "beyond the window: latency only", transform=axes.get_xaxis_transform(), fontsize=8
            )
    _write_beside(axes, ends)
    path = out / f"{'first-token' if name == 'ttft_s' else 'decode'}-{place.span}-{place.position}.png"
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path


def _write_beside(axes: plt.Axes, ends: list[tuple[float, str, Any]]) -> None:
    """Write the names right of the last points, apart from one another."""
    axes.figure.canvas.draw()
    place = axes.transData + axes.transAxes.inverted()
    last = axes.get_xlim()[1]
    lowest = 0.0
    for value, text, color in sorted(ends):
        height = max(float(place.transform((last, value))[1]), lowest)
        axes.text(1.01, height, text, color=color, fontsize=9, transform=axes.transAxes, verticalalignment="center")
        lowest = height + 0.035


def _short(tokens: int) -> str:
    return f"{tokens // 1024}K" if tokens % 1024 == 0 else f"{tokens:,}"
