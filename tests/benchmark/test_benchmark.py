import json
import platform
import subprocess
import sys
from itertools import count
from types import SimpleNamespace

import pytest
import torch
from matplotlib.axes import Axes
from transformers import AutoConfig, AutoModelForCausalLM

from kveraser_core.benchmark import machine
from kveraser_core.benchmark.cells import measure
from kveraser_core.benchmark.contender import DECODED, Contender, Sample
from kveraser_core.benchmark.grid import BadGrid, Cell, Plan, Results
from kveraser_core.benchmark.limits import Block, ModelSize, Speeds, Work
from kveraser_core.benchmark.ours import Ours
from kveraser_core.benchmark.peers import MissingPeer, UnknownPeer, chosen_peers, load_peers
from kveraser_core.benchmark.peers.dynamic_cache import DynamicCachePeer
from kveraser_core.benchmark.plots import write_plots
from kveraser_core.benchmark.report import write_report
from kveraser_core.benchmark.shapes import SHAPES
from kveraser_core.benchmark.speeds import measure_speeds
from kveraser_core.benchmark.summary import Place, Summary
from kveraser_core.cli import bench as command
from kveraser_core.cli.main import main
from kveraser_core.documents.spans import Span
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.packaged import MODEL_NAME
from tests.test_training import prose

SPEEDS = Speeds(flops_per_s=1e9, read_per_s=1e8, copied_per_s=5e7)


class Fake(Contender):
    """A peer whose every run takes `seconds` by the clock of the test."""

    program = "fake"
    same_weights = False

    def __init__(self, seconds, clock, ways=("quick",)):
        self.seconds, self.clock, self.ways = seconds, clock, ways
        self.ran, self.reads = [], 0

    def prepare(self, ids):
        return "fake 1.0"

    def read(self, ids):
        self.reads += 1
        return 2.0

    def run(self, way, span):
        self.ran.append((way, span))
        self.clock.now += self.seconds
        return Sample(self.seconds / 2, self.seconds, 10.0, [1], None)

    def free(self):
        pass


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("kveraser_core.benchmark.cells.time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


@pytest.fixture
def ids(llama):
    return [*Ours(llama, []).prompt.head_ids, *llama.tokenize(prose(5, 400))[0]]


def plan(**changes):
    chosen = {
        "lengths": [300], "spans": [20], "positions": ["start"], "repeats": 3, "readings": 3, "budget": 100.0,
        "peer_lengths": [300],
    }  # fmt: skip
    return Plan(**(chosen | changes))


def test_spans_lie_where_their_position_says():
    assert Cell(1000, 100, "start").slots(30) == Span(64, 164)
    assert Cell(1000, 100, "start").slots(80) == Span(80, 180)
    assert Cell(1000, 100, "middle").slots(30) == Span(450, 550)
    assert Cell(1000, 100, "end").slots(30) == Span(836, 936)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"positions": ["top"]}, "no position 'top'"),
        ({"lengths": []}, "nothing to measure"),
        ({"lengths": [5000]}, "The text has 900 tokens and 4,990 are needed"),
        ({"lengths": [200], "spans": [100]}, "needs a context of 228"),
    ],
)
def test_a_grid_that_does_not_fit_is_refused(changes, sentence):
    with pytest.raises(BadGrid, match=sentence):
        plan(**changes).check(10, 900)


def test_every_cell_is_measured_in_turns_and_a_stopped_run_goes_on(llama, ids, tmp_path, clock):
    ours, fake = Ours(llama, ["none", "mask", "fresh_prefill"]), Fake(1.0, clock, ("quick", "slow"))
    whole = plan(lengths=[300, 400], positions=["start", "end"], peer_lengths=[400])
    results = Results(tmp_path / "results.jsonl")
    fake.run, run = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt), fake.run
    with pytest.raises(KeyboardInterrupt):
        measure(ours, [fake], ids, whole, lambda: SPEEDS, results)
    fake.run = run
    measured_before = len(results.rows)
    results = Results(tmp_path / "results.jsonl")
    assert len(results.rows) == measured_before > 0
    measure(ours, [fake], ids, whole, lambda: SPEEDS, results)
    for length in whole.lengths:
        for cell in whole.cells(length):
            members = ["none", "mask", "fresh_prefill"] + (["quick", "slow"] if length == 400 else [])
            assert [row["member"] for row in results.find("run", **cell._asdict())] == members * 3
            assert [row["member"] for row in results.find("memory", **cell._asdict())] == members
    start = max(64, len(ours.prompt.head_ids))
    assert fake.ran[:2] == [(way, Span(start, start + 20)) for way in fake.ways]
    assert fake.reads == 4  # three repeats, and once more after the stop
    assert len(results.find("prefill", length=300)) == 3
    again = Results(tmp_path / "results.jsonl")
    measure(ours, [fake], ids, whole, lambda: SPEEDS, again)
    assert again.rows == results.rows
    assert fake.reads == 4


def test_a_member_that_used_its_budget_is_not_repeated(llama, ids, tmp_path, clock):
    results = Results(tmp_path / "results.jsonl")
    slow, slower = Fake(4.0, clock, ("slow",)), Fake(40.0, clock, ("slower",))
    rates = (SPEEDS._replace(read_per_s=1e8 * better, flops_per_s=1e9 * better) for better in count(1))
    measure(Ours(llama, ["none"]), [slow, slower], ids, plan(repeats=5, budget=10.0), lambda: next(rates), results)
    counts = {name: len(results.find("run", member=name)) for name in ("none", "slow", "slower")}
    assert counts == {"none": 5, "slow": 3, "slower": 1}
    limits = [row["ttft_limit_s"] for row in results.find("run", member="none")]
    assert sorted(set(limits), reverse=True) == limits  # by what the machine could do before that round
    assert len(slower.ran) == 1


def ahead(folder):
    """The adapter in `folder`, said to be trained for a lookahead of 12 tokens."""
    (folder / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 12}')
    return folder


def test_contexts_beyond_the_window_are_measured_and_labelled(llama, tokenizer, tmp_path, save_adapter):
    llama.window = 380
    ids = [*Ours(llama, []).prompt.head_ids, *llama.tokenize(prose(5, 400))[0]]
    llama.load_eraser(ahead(save_adapter()))
    results = Results(tmp_path / "results.jsonl")
    results.add(what="machine", model="tiny")
    ours = Ours(llama, ["erratum", "kveraser_lookahead", "full_recompute"])
    measure(ours, [], ids, plan(lengths=[220, 700], repeats=1, readings=1), lambda: SPEEDS, results)
    assert [row["beyond_window"] for row in results.find("prefill")] == [False, True]
    write_report(results.rows, "bench", tmp_path)
    report = (tmp_path / "report.md").read_text()
    assert "## 220 tokens\n" in report
    assert "## 700 tokens (beyond the window: latency only)\n" in report


def test_a_pass_needs_what_counting_by_hand_gives(llama, save_adapter):
    llama.load_eraser(save_adapter())
    size = ModelSize.of(llama)
    layer = 64 * 64 + 2 * 64 * 32 + 64 * 64 + 3 * 64 * 96  # q, k and v, o, gate and up and down
    assert (size.projections, size.head, size.width) == (3 * layer, 64 * 420, 4)
    assert size.projections == sum(
        weight.numel() for name, weight in llama.model.named_parameters() if name.endswith("proj.weight")
    )
    assert size.adapter == sum(weight.numel() for weight in llama.eraser.weights.values())
    assert size.adapter == 3 * 4 * (4 * 64 + 64 + 2 * 32 + 64 + 3 * (64 + 96))
    assert size.token_bytes == 2 * 3 * 2 * 16 * 4
    assert size.reading([]) == Work()
    # two tokens behind ten see 11 and 12 keys; scores and sums take two operations for each of 4 heads of 16
    attention = 2 * 2 * 3 * 4 * 16 * (11 + 12)
    assert size.reading([Block(2, 10)]) == Work(2 * 2 * 3 * layer + attention, 4 * 3 * layer + 12 * 768)
    with_head = size.reading([Block(1, 10), Block(1, 4)], logits=1, adapted=1)
    attention = 2 * 2 * 3 * 4 * 16 * (11 + 5)
    assert with_head.flops == 2 * (2 * 3 * layer + 64 * 420 + size.adapter) + attention
    assert with_head.moved == 4 * (3 * layer + 64 * 420 + size.adapter) + 12 * 768


def test_a_limit_is_the_slower_of_operations_and_bytes():
    assert SPEEDS.seconds(Work(2e9, 1e8)) == 2.0
    assert SPEEDS.seconds(Work(1e9, 3e8)) == 3.0
    assert SPEEDS.seconds(Work(1e9, 3e8), Work(2e9, 1e8)) == 5.0


def test_every_way_knows_what_it_needs(llama, ids, save_adapter):
    llama.load_eraser(ahead(save_adapter()))
    ways = [
        "none",
        "mask",
        "delete_shift",
        "local_repair",
        "erratum",
        "kveraser_lookahead",
        "kveraser_repair",
        "full_recompute",
        "fresh_prefill",
    ]
    ours = Ours(llama, ways)
    ours.read(ids[:300])
    span = Span(64, 84)
    work = {way: ours.run(way, span).work for way in ours.ways}
    size, asked = ours.size, len(ours.question_ids)
    assert work["none"].erase == work["mask"].erase == work["delete_shift"].erase == []
    assert work["local_repair"].erase == [size.reading([Block(32, 64)])]
    assert work["kveraser_lookahead"].erase == [size.reading([Block(12, 64)], adapted=12)]
    assert work["kveraser_repair"].erase[0].flops > work["kveraser_lookahead"].erase[0].flops
    assert work["full_recompute"].erase == [size.reading([Block(216, 64)])]
    assert work["fresh_prefill"].erase == [size.reading([Block(280, 0)])]
    assert work["erratum"].first_token[-1].flops > work["none"].first_token[-1].flops
    assert work["full_recompute"].first_token == [
        size.reading([Block(216, 64)]),
        size.reading([Block(asked, 280)], logits=1),
    ]
    assert work["kveraser_lookahead"].first_token == [
        size.reading([Block(12, 64), Block(asked, 280)], logits=1, adapted=12)
    ]
    assert work["kveraser_lookahead"].decode == size.reading([Block(1, 280 + asked + DECODED // 2)], logits=1)


def test_speeds_are_those_of_the_dtype():
    speeds = measure_speeds(torch.device("cpu"), torch.float32, 64, 96)
    assert min(speeds) > 1e6


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


def test_transformers_answers_as_full_recompute_does(tokenizer, model_folder, ids):
    backbone = Backbone.load(str(model_folder), device="cpu", dtype=torch.float32)
    ours, peer = Ours(backbone, ["full_recompute", "fresh_prefill"]), DynamicCachePeer(backbone)
    about = peer.prepare(ids[:200])
    assert "DynamicCache" in about
    for contender in (ours, peer):
        contender.read(ids[:400])
    for span in (Span(64, 104), Span(300, 320)):
        expected = ours.run("full_recompute", span)
        assert len(expected.token_ids) == DECODED + 1
        assert ours.run("fresh_prefill", span).token_ids == expected.token_ids
        for _ in range(2):
            sample = peer.run("transformers", span)
            assert sample.token_ids == expected.token_ids
            assert sample.work == expected.work
            assert sample.ttft_s > sample.erase_s > 0


def test_peers_are_chosen_by_name():
    llama = ["llama.cpp", "llama.cpp_no_flash", "llama.cpp_shift", "llama.cpp_fastest"]
    assert chosen_peers(["all"]) == ["transformers", *llama]
    assert chosen_peers(["none"]) == []
    assert chosen_peers(["llama.cpp"]) == ["llama.cpp"]
    with pytest.raises(UnknownPeer, match="no peer 'vllm'"):
        chosen_peers(["vllm"])


def test_memory_above_the_start_of_the_block_is_seen():
    with machine.peak_memory(torch.device("cpu")) as peak:
        taken = torch.ones(64 * 2**20, dtype=torch.uint8)
        del taken
    assert peak.grown is None or 60 * 2**20 < peak.grown < 200 * 2**20


_FREES = """
import psutil
from kveraser_core.benchmark.machine import keep_freed_memory

def left():
    before = psutil.Process().memory_info().rss
    taken = [bytearray(20 * 2**20) for _ in range(8)]
    del taken
    return psutil.Process().memory_info().rss - before

given_back = left()
keep_freed_memory()
print(given_back, left())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_freed_memory_stays_with_the_process_while_others_are_timed():
    printed = subprocess.run([sys.executable, "-c", _FREES], capture_output=True, text=True, check=True).stdout
    given_back, kept = map(int, printed.split())
    assert given_back < 20 * 2**20
    assert kept > 140 * 2**20


def test_a_busy_machine_is_refused(monkeypatch, model_folder, tmp_path, capsys):
    monkeypatch.setattr(machine, "_WATCH_S", 0.0)
    monkeypatch.setattr(machine.OthersWatch, "cores", lambda self: 1.5)
    arguments = ["bench", "--text", "absent.txt", "--model", str(model_folder), "--out", str(tmp_path)]
    assert main(arguments) == 2
    assert "Other processes keep 1.5 of" in capsys.readouterr().err
    monkeypatch.setattr(machine.OthersWatch, "cores", lambda self: 0.05)
    machine.refuse_when_busy()


def test_bench_from_the_command_line(model_folder, save_adapter, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "keep_freed_memory", lambda: None)  # or this process kept it to the end
    monkeypatch.setattr("kveraser_core.benchmark.speeds._SECONDS", 0.05)
    text, out = tmp_path / "text.txt", tmp_path / "bench"
    text.write_text(prose(5, 300))
    arguments = ["bench", "--text", str(text), "--model", str(model_folder), "--eraser", str(save_adapter())]
    arguments += ["--device", "cpu", "--even-if-busy", "--lengths", "300,400", "--spans", "40", "--repeats", "2"]
    arguments += ["--methods", "none,kveraser,full_recompute,fresh_prefill", "--readings", "1", "--out", str(out)]
    assert main(arguments) == 0
    measured = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert {row["member"] for row in measured if row["what"] == "run"} == {
        "none", "kveraser", "full_recompute", "fresh_prefill", "transformers",
    }  # fmt: skip
    read = [(row["length"], row["program"]) for row in measured if row["what"] == "prefill"]
    assert sorted(read) == [(300, "kveraser"), (300, "transformers"), (400, "kveraser"), (400, "transformers")]
    assert (out / "first-token-40-start.png").exists()
    assert "| `kveraser` | 2 |" in (out / "report.md").read_text()
    assert main(arguments) == 0
    again = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [row for row in again if row["what"] == "run"] == [row for row in measured if row["what"] == "run"]
    capsys.readouterr()
    assert main([*arguments, "--conversion"]) == 2
    assert "Only the packaged model is converted" in capsys.readouterr().err
    first, *rest = measured
    (out / command.RESULTS).write_text("".join(json.dumps(row) + "\n" for row in [first | {"cores": 99}, *rest]))
    assert main(arguments) == 2
    assert "results with another cores (99, now " in " ".join(capsys.readouterr().err.split())


@pytest.mark.packaged
def test_a_shape_is_measured_without_a_text(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "keep_freed_memory", lambda: None)
    monkeypatch.setattr(command, "measure_speeds", lambda *sizes: SPEEDS)
    tiny = SHAPES["qwen3-0.6b"] | {"hidden_size": 32, "num_hidden_layers": 2, "head_dim": 16, "vocab_size": 49152}
    monkeypatch.setitem(SHAPES, "tiny", tiny)
    arguments = ["bench", "--shape", "tiny", "--device", "cpu", "--dtype", "fp32", "--even-if-busy"]
    arguments += ["--lengths", "300", "--repeats", "1", "--readings", "1", "--out", str(tmp_path)]
    assert main(arguments) == 0
    measured = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert {"kveraser_lookahead", "kveraser_repair", "full_recompute", "transformers"} <= {
        row["member"] for row in measured if row["what"] == "run"
    }
    assert measured[0]["model"] == "tiny, random weights"
    assert measured[0]["dtype"] == "float32"
    assert main([*arguments, "--model", "x"]) == 2
    assert "leave out --model" in " ".join(capsys.readouterr().err.split())


def test_a_shape_has_the_sizes_of_its_model(monkeypatch):
    """Weights by hand, of what the models' cards say: 8.19 and 1.24 billion, 134.5 million."""
    counts = {"qwen3-8b": 8.19e9, "llama-3.2-1b": 1.236e9, "smollm2-135m": 134.5e6, "qwen2.5-0.5b": 494e6}
    for name, weights in counts.items():
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**SHAPES[name]))
        assert abs(model.num_parameters() / weights - 1) < 0.002


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--shape", "qwen9"], "There is no shape 'qwen9': use one of smollm2-135m, "),
        ([], "give --text FILE, or --shape NAME"),
    ],
)
def test_what_is_no_shape_and_no_text(arguments, said, tmp_path, capsys):
    assert main(["bench", *arguments, "--even-if-busy", "--out", str(tmp_path)]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.packaged
def test_llama_cpp_answers_behind_both_of_its_edits(ids):
    pytest.importorskip("llama_cpp", reason="llama.cpp is not installed: make bench-peers")
    from kveraser_core.benchmark.peers.llama_cpp import LlamaCppPeer

    backbone = Backbone.load()
    ids = [*Ours(backbone, []).prompt.head_ids, *backbone.tokenize(prose(5, 200))[0]]
    peer = LlamaCppPeer(backbone, "llama.cpp", ["llama.cpp", "llama.cpp_shift"])
    peer.read(ids[:240])
    span = Span(64, 84)
    first = {way: peer.run(way, span).token_ids for way in peer.ways}
    assert {way: peer.run(way, span).token_ids for way in peer.ways} == first
    peer.read([*ids[:64], *ids[84:240]])
    assert peer.run("llama.cpp", Span(220, 220)).token_ids == first["llama.cpp"]
    peer.free()


def test_llama_cpp_is_refused_where_it_cannot_run(llama, monkeypatch):
    with pytest.raises(MissingPeer, match="the packaged model's own file"):
        load_peers(["llama.cpp"], llama)
    llama.name = MODEL_NAME
    monkeypatch.setattr("kveraser_core.benchmark.peers.find_spec", lambda name: None)
    with pytest.raises(MissingPeer, match="make bench-peers"):
        load_peers(["llama.cpp_fastest"], llama)
