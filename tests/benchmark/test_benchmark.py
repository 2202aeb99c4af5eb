import platform
import subprocess
import sys
from itertools import count

import pytest
import torch

from kveraser_core.benchmark import machine
from kveraser_core.benchmark.cells import measure
from kveraser_core.benchmark.contender import Contender, Sample
from kveraser_core.benchmark.grid import BadGrid, Cell, Results
from kveraser_core.benchmark.ours import Ours
from kveraser_core.benchmark.report import write_report
from kveraser_core.cli.main import main
from kveraser_core.documents.spans import Span
from tests.benchmark.plans import SPEEDS, ahead, plan
from tests.training.texts import prose

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


def test_memory_above_the_start_of_the_block_is_seen():
    with machine.peak_memory(torch.device("cpu")) as peak:
        taken = torch.ones(64 * 2**20, dtype=torch.uint8)
        del taken
    assert peak.grown is None or 60 * 2**20 < peak.grown < 200 * 2**20


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
