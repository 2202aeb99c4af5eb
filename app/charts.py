"""The charts of a comparison, drawn by matplotlib as SVG, once for light and once for dark pages."""

import io
from collections.abc import Callable

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.workspace import Comparison, Workspace
from kveraser_core.session import REFERENCE

matplotlib.rcParams["svg.fonttype"] = "none"

_SHADES = {"light": "#3b3f4a", "dark": "#d5d8e0"}
_PARTS = (("erase", "#b3322c"), ("question", "#3d74c7"), ("first token", "#2f8f5b"), ("decode", "#b58a1b"))


def where_chart(comparison: Comparison) -> str:
    """Where each method's time went, as stacked bars: SVG markup of numbers and method names only."""
    answers = [answer for answer in comparison.answers if not answer.error]
    parts = [(a.erase_s, a.question_prefill_s, a.first_token_s, a.decode_s) for a in answers]

    def draw(axes: Axes) -> None:
        names = [answer.method for answer in answers]
        left = [0.0] * len(answers)
        for number, (part, colour) in enumerate(_PARTS):
            widths = [row[number] for row in parts]
            axes.barh(names, widths, left=left, label=part, color=colour, height=0.6)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        axes.invert_yaxis()
        axes.set_xlabel("seconds")

    said = "; ".join(f"{a.method} {sum(row):.2f} s" for a, row in zip(answers, parts, strict=True))
    return _markup(f"Where the time went: {said}", draw, 1.3 + 0.32 * len(answers))


def time_chart(workspace: Workspace) -> str:
    """Time to first token against the tokens behind the passage, from this session's own measurements.

    The line is how long reading that many tokens took when the document was loaded.
    """
    points: dict[str, list[tuple[int, float]]] = {}
    for comparison in workspace.comparisons:
        for answer in comparison.answers:
            if not answer.error:
                points.setdefault(answer.method, []).append((comparison.tokens_behind, answer.ttft_s))
    read = [(0, 0.0), *workspace.reading.points]
    whole, end = read[-1]
    curve = sorted((whole - tokens, end - seconds) for tokens, seconds in read)

    def draw(axes: Axes) -> None:
        colour = axes.xaxis.label.get_color()
        axes.plot(*zip(*curve, strict=True), color=colour, label="reading it, at loading", lw=1.2)
        for method, measured in points.items():
            marker = "s" if method == REFERENCE else "o"
            axes.plot(*zip(*sorted(measured), strict=True), marker=marker, label=method, lw=1.2, ms=5)
        axes.set(xlabel="tokens behind the passage", ylabel="seconds to the first token")
        axes.set(xlim=(0, None), ylim=(0, None))

    said = "; ".join(f"{name} {len(measured)} measured" for name, measured in points.items())
    return _markup(f"Time to first token against tokens behind the passage: {said}", draw, 3.2)


def _markup(label: str, draw: Callable[[Axes], None], height: float) -> str:
    drawn = []
    for theme, colour in _SHADES.items():
        figure = Figure(figsize=(6.4, height), layout="constrained")
        axes = figure.add_subplot()
        figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        axes.tick_params(colors=colour)
        axes.xaxis.label.set_color(colour)
        axes.yaxis.label.set_color(colour)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(colour)
        draw(axes)
        figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize="small", labelcolor=colour)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        svg = file.getvalue()
        drawn.append(f'<div class="chart-{theme}" aria-hidden="true">{svg[svg.index("<svg") :]}</div>')
    return f'<div class="chart" role="img" aria-label="{label}">{"".join(drawn)}</div>'
