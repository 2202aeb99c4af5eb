"""The results as Markdown: every figure with its spread, its n, its limit and how many times the limit it is."""

from pathlib import Path
from typing import Any

from kveraser_core.benchmark.contender import DECODED
from kveraser_core.benchmark.grid import Row
from kveraser_core.benchmark.summary import Figure, Place, Summary, growth

REFERENCE = "full_recompute"
_READING = f"""Medians over n repeats, least to most in brackets; all members of a cell took turns in one process. The
first token is counted from the request to erase. Decoding is {DECODED} tokens after the erased context. The limit is
what the step's operations and bytes take at the rates measured before the round, an erase and a question being one
pass of the model each; × is measured over limit, for decoding the share of the highest rate that is reached. Where
nothing has to be computed or moved, or where a program keeps the weights in another format, there is no limit. Memory
is the highest use during erase and answer above that before it, the context cache in place. What a run frees stays
with the process, so that the system does not take it back while the next is timed."""


def write_report(rows: list[Row], command: str, out: Path) -> None:
    """Write `report.md` into `out`; `command` is what made it."""
    summary = Summary(rows)
    lines = ["# Benchmark", "", f"`{command}`", "", *_machine(summary), "", _READING, ""]
    for place in summary.places:
        lines += _overview(summary, place)
    lines += _erase_growth(summary)
    for length in summary.lengths:
        lines += _length(summary, length)
    (out / "report.md").write_text("\n".join(lines))


def _machine(summary: Summary) -> list[str]:
    (machine,) = summary.about("machine")
    lines = [
        "- Ran on "
        + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items() if name != "what")
        + "."
    ]
    if speeds := summary.about("speeds"):
        lines.append(
            f"- Measured before every round: {_range(speeds, 'flops_per_s', 1e12)} TFLOP/s of matrix products, "
            f"{_range(speeds, 'read_per_s', 1e9)} GB/s read, {_range(speeds, 'copied_per_s', 1e9)} GB/s copied "
            "(read and written)."
        )
    if programs := summary.about("programs"):
        lines.append(f"- Programs: {'; '.join(programs[-1]['names'])}.")
    lines += [f"- Loading the model from a warm cache: {row['seconds']:.2f} s." for row in summary.about("load")]
    lines += [
        f"- Converting the packaged model once, interpreter start included: {row['seconds']:.1f} s."
        for row in summary.about("conversion")
    ]
    if runs := summary.about("run"):
        others = sum(row["others_cores"] * row["seconds"] for row in runs) / sum(row["seconds"] for row in runs)
        lines.append(f"- Other processes used {others:.2f} cores on average while it measured.")
    return lines


def _range(rows: list[Row], name: str, unit: float) -> str:
    values = [row[name] / unit for row in rows]
    return f"{min(values):.3g} to {max(values):.3g}"


def _overview(summary: Summary, place: Place) -> list[str]:
    lengths = summary.lengths
    lines = [
        f"## Time to first token, {place}",
        "",
        f"| | {' | '.join(_tokens(summary, length) for length in lengths)} | growth |",
        "| --- |" + " --- |" * (len(lengths) + 1),
    ]
    for member in summary.members(place):
        cells = [_seconds(summary.figure("ttft_s", place, length, member)) for length in lengths]
        curve = summary.curve("ttft_s", place, member)
        lines.append(f"| `{member}` | {' | '.join(cells)} | {_times(growth(f.median for _, f in curve))} |")
    return [*lines, "", f"![Time to first token](first-token-{place.span}-{place.position}.png)", ""]


def _erase_growth(summary: Summary) -> list[str]:
    lines = []
    for place in summary.places:
        for member in summary.members(place):
            curve = summary.curve("erase_s", place, member)
            measured = growth(figure.median for _, figure in curve)
            needed = growth(figure.limit or 0.0 for _, figure in curve)
            if measured is not None and needed is not None:
                cells = [
                    f"`{member}`",
                    str(place),
                    f"{curve[0][0]:,} to {curve[-1][0]:,}",
                    _times(measured),
                    _times(needed),
                    f"{measured / needed:.2f}",
                ]
                lines.append(f"| {' | '.join(cells)} |")
    if not lines:
        return []
    return [
        "## Growth of the erase time",
        "",
        "| | | context, tokens | measured | operations and bytes | measured over needed |",
        "| --- | --- | --- | --- | --- | --- |",
        *lines,
        "",
    ]


def _length(summary: Summary, length: int) -> list[str]:
    lines = [
        f"## {_tokens(summary, length)}",
        "",
        "| | context read, s | limit, s | × | n |",
        "| --- | --- | --- | --- | --- |",
    ]
    for program, figure in summary.readings(length).items():
        lines.append(f"| {program} | {' | '.join(_figure(figure))} | {figure.n} |")
    lines.append("")
    context_bytes = summary.about("prefill", length=length)[0]["context_bytes"]
    for place in summary.places:
        if members := summary.members(place, length):
            lines += _cell(summary, place, length, members, context_bytes)
    return lines


def _cell(summary: Summary, place: Place, length: int, members: list[str], context_bytes: int) -> list[str]:
    reference = summary.figure("ttft_s", place, length, REFERENCE)
    lines = [
        f"### {length:,} tokens, {place}",
        "",
        f"| | n | erase, s | limit | × | first token, s | limit | × | faster than `{REFERENCE}` "
        "| decode, tokens/s | limit | × | memory, MB (of the context's) |",
        "| --- |" + " --- |" * 12,
    ]
    for member in members:
        erase, first, decode = (
            summary.figure(name, place, length, member) for name in ("erase_s", "ttft_s", "decode_tokens_per_s")
        )
        assert erase is not None
        assert first is not None
        assert decode is not None
        memory = summary.about("memory", **place._asdict(), length=length, member=member)
        cells = [
            str(first.n),
            *_figure(erase),
            *_figure(first),
            _times(reference.median / first.median if reference else None),
            *_figure(decode, "{:.1f}"),
            _memory(memory[0]["peak_bytes"] if memory else None, context_bytes),
        ]
        lines.append(f"| `{member}` | {' | '.join(cells)} |")
    return [*lines, ""]


def _tokens(summary: Summary, length: int) -> str:
    return f"{length:,} tokens" + (" (beyond the window: latency only)" if summary.beyond_window(length) else "")


def _figure(figure: Figure, form: str = "{:.3f}") -> list[str]:
    """Three cells: the figure with its spread, its limit and their ratio."""
    spread = f"{form.format(figure.median)} ({form.format(figure.low)} to {form.format(figure.high)})"
    return [spread, form.format(figure.limit) if figure.limit else "-", _number(figure.ratio)]


def _seconds(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    limit = f"; limit {figure.limit:.3f}, ×{figure.ratio:.1f}" if figure.limit else ""
    return f"{figure.median:.3f} s ({figure.low:.3f} to {figure.high:.3f}; n={figure.n}{limit})"


def _number(value: Any) -> str:
    return f"{value:.3g}" if value else "-"


def _times(value: float | None) -> str:
    return "-" if value is None else f"×{value:.3g}"


def _memory(peak: int | None, context_bytes: int) -> str:
    return "-" if peak is None else f"{peak / 2**20:.1f} ({peak / context_bytes:.1%})"
