"""`bench` from the command line, shapes and peers."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from kveraser_core.benchmark.contender import DECODED
from kveraser_core.benchmark.ours import Ours
from kveraser_core.benchmark.peers import MissingPeer, UnknownPeer, chosen_peers, load_peers
from kveraser_core.benchmark.peers.dynamic_cache import DynamicCachePeer
from kveraser_core.benchmark.shapes import SHAPES
from kveraser_core.cli import bench as command
from kveraser_core.cli.main import main
from kveraser_core.documents.spans import Span
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.packaged import MODEL_NAME
from tests.benchmark.plans import SPEEDS
from tests.training.texts import prose


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


def test_bench_from_the_command_line(model_folder, save_adapter, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "keep_freed_memory", lambda: None)  # or this process kept it to the end
    monkeypatch.setattr("kveraser_core.benchmark.speeds._SECONDS", 0.05)
    monkeypatch.setattr("kveraser_core.benchmark.speeds._SIDE", 256)
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
