"""The report and plots of a benchmark."""

from matplotlib.axes import Axes

from kveraser_core.benchmark.plots import write_plots
from kveraser_core.benchmark.report import write_report
from kveraser_core.benchmark.summary import Place, Summary
from tests.benchmark.plans import SPEEDS


def rows():
    made = [
        {"what": "machine", "model": "tiny", "cores": 2},
        {"what": "load", "seconds": 1.25},
        {"what": "speeds", **SPEEDS._asdict()},
        {"what": "speeds", **SPEEDS._asdict(), "read_per_s": 4e8},
        {"what": "programs", "names": ["tiny", "fake 1.0"]},
    ]
    for length, scale in ((1024, 1.0), (2048, 2.0)):
        made.append(
            {"what": "prefill", "length": length, "program": "kveraser", "seconds": scale, "limit_s": 0.5,
             "context_bytes": 2**20, "beyond_window": False}
        )  # fmt: skip
        for member, seconds in (("kveraser", (0.1, 0.3, 0.2)), ("full_recompute", (4 * scale,))):
            place = {"length": length, "span": 100, "position": "start", "member": member}
            made.append({"what": "memory", **place, "peak_bytes": 2**19 if member == "kveraser" else None})
            made += [
                {"what": "run", **place, "erase_s": value / 2, "ttft_s": value, "decode_tokens_per_s": 8.0,
                 "erase_limit_s": 0.04, "ttft_limit_s": 0.1, "decode_limit": 16.0, "seconds": value,
                 "others_cores": 0.5}
                for value in seconds
            ]  # fmt: skip
    return made


def test_the_report_says_what_the_rows_say(tmp_path):
    write_report(rows(), "kveraser bench --repeats 3", tmp_path)
    report = (tmp_path / "report.md").read_text()
    lines = report.splitlines()
    assert "`kveraser bench --repeats 3`" in lines
    cell = next(line for line in lines if line.startswith("| `kveraser` | 3 |"))
    assert [part.strip() for part in cell.strip("|").split("|")] == [
        "`kveraser`", "3", "0.100 (0.050 to 0.150)", "0.040", "2.5", "0.200 (0.100 to 0.300)", "0.100", "2", "×20",
        "8.0 (8.0 to 8.0)", "16.0", "0.5", "0.5 (50.0%)",
    ]  # fmt: skip
    eraser = "0.200 s (0.100 to 0.300; n=3; limit 0.100, ×2.0)"
    first, second = (f"{t}.000 s ({t}.000 to {t}.000; n=1; limit 0.100, ×{t}0.0)" for t in (4, 8))
    assert f"| `kveraser` | {eraser} | {eraser} | ×1 |" in lines
    assert f"| `full_recompute` | {first} | {second} | ×2 |" in lines
    assert "| `full_recompute` | 100 tokens erased at the start | 1,024 to 2,048 | ×2 | ×1 | 2.00 |" in lines
    assert "| kveraser | 2.000 (2.000 to 2.000) | 0.500 | 4 | 1 |" in lines
    assert "Loading the model from a warm cache: 1.25 s." in report
    assert "0.001 to 0.001 TFLOP/s of matrix products, 0.1 to 0.4 GB/s read, 0.05 to 0.05 GB/s copied" in report
    assert "Other processes used 0.50 cores" in report


def test_plots_are_drawn_for_every_place(tmp_path, monkeypatch):
    written = []
    draw = Axes.text
    monkeypatch.setattr(Axes, "text", lambda self, x, y, s, **how: (written.append(s), draw(self, x, y, s, **how))[1])
    names = [path.name for path in write_plots(rows(), tmp_path)]
    assert names == ["first-token-100-start.png", "decode-100-start.png"]
    assert all((tmp_path / name).stat().st_size > 5000 for name in names)
    assert {"kveraser  ×1", "full_recompute  ×2"} <= set(written)


def test_a_summary_has_nothing_where_nothing_was_measured():
    summary = Summary(rows())
    assert summary.figure("ttft_s", Place(100, "start"), 4096, "kveraser") is None
    assert summary.members(Place(100, "end")) == []
