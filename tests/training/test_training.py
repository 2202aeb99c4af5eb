"""Tasks are what they say they are; the loss is what it says it is; a stopped run goes on to the same result."""

import json
import random
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from peft import PeftModel
from transformers import DynamicCache

from kveraser_core.cli.main import main
from kveraser_core.documents.spans import Span
from kveraser_core.methods import get_method
from kveraser_core.methods.staleness import WEIGHTS
from kveraser_core.model.adapters import load_adapter
from kveraser_core.model.backbone import Backbone
from kveraser_core.tasks.corpus import Corpus
from kveraser_core.tasks.document_qa import QuestionFile
from kveraser_core.tasks.examples import Example, Question
from kveraser_core.training.distill import Distiller
from kveraser_core.training.mixture import FINETUNE, Mixture
from kveraser_core.training.recipe import Recipe
from kveraser_core.training.selector import not_negative
from kveraser_core.training.trainer import train
from tests.tiny import TEXT, tiny_model
from tests.training.texts import prose


@pytest.mark.parametrize("name", ["kveraser_lookahead", "kveraser_repair:4"])
def test_the_loss_is_the_kl_of_plain_passes(llama, save_adapter, name):
    """For one span and a question of each kind, the whole erase done again by transformers and PEFT."""
    folder = save_adapter()
    (folder / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 12}')
    llama.eraser = load_adapter(llama.model, folder, torch.float32)
    ids = llama.tokenize(TEXT)[0][:80]
    span = Span(30, 50)
    questions = (Question("What is the toll?", "not used"), Question("Who pays?", "Ships pay."))
    distiller = Distiller(llama, llama.eraser)
    assert {method.name for method in distiller.methods} == {"kveraser_lookahead", "kveraser_repair"}
    loss = distiller.loss(Example("t", ids, (span,), questions), get_method(name))

    head = distiller.prompt.head_ids
    before, behind = [*head, *ids[: span.start]], ids[span.end :]
    plain, erasing = tiny_model("llama", "sdpa"), PeftModel.from_pretrained(tiny_model("llama", "sdpa"), folder)
    asked = [distiller.prompt.question_ids(question.text) for question in questions]
    prompt = torch.tensor([[*before, *behind, *asked[0]]])
    own = plain.generate(prompt, max_new_tokens=10, do_sample=False, pad_token_id=0)[0, prompt.shape[1] :].tolist()
    answers = [own, [*llama.tokenize("Ships pay.")[0], *llama.end_ids]]

    def read(model, cache, tokens):
        positions = torch.arange(cache.get_seq_length(), cache.get_seq_length() + len(tokens))[None]
        with torch.no_grad():
            return model(torch.tensor([tokens]), past_key_values=cache, position_ids=positions).logits[0]

    def answered(cache):
        rows = []
        for question, answer in zip(asked, answers, strict=True):
            said = read(plain, cache, [*question, *answer[:-1]])
            rows.append(said[-len(answer) :].log_softmax(-1))
            cache.crop(-len(question) - len(answer) + 1)
        return torch.cat(rows)

    exact, edited, original = (DynamicCache() for _ in range(3))
    read(plain, exact, [*before, *behind])
    read(plain, original, [*head, *ids])
    read(plain, edited, before)
    again = 12 if name == "kveraser_lookahead" else 16  # the first are always among the stalest
    read(erasing, edited, behind[:again])
    rotation, rest = llama.new_cache(1).rotation, len(before) + len(span) + again
    for number, layer in enumerate(original.layers):
        keys = rotation.shift(layer.keys[:, :, rest:], number, -len(span))
        edited.update(keys, layer.values[:, :, rest:], number)
    teacher = answered(exact)
    expected = (teacher.exp() * (teacher - answered(edited))).sum(-1).mean()
    assert expected > 1e-3
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-3)


def test_training_lowers_the_loss_and_leaves_the_backbone_alone(llama, tmp_path):
    (tmp_path / "a.txt").write_text(prose(1))
    mixture = Mixture(Corpus(llama, [tmp_path / "a.txt"]), None, shortest=80, longest=120)
    always = mixture.example(random.Random(0))
    mixture = SimpleNamespace(example=lambda rng: always)
    before = {name: weight.clone() for name, weight in llama.model.state_dict().items()}
    losses = []
    recipe = Recipe(steps=40, learning_rate=5e-3, warmup=3, checkpoint_every=40)
    train(llama, mixture, recipe, tmp_path / "out", report=lambda step, loss, seconds: losses.append(loss))
    assert losses[-1] < 0.7 * losses[0]
    after = llama.model.state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    peft = PeftModel.from_pretrained(tiny_model("llama"), tmp_path / "out")
    assert any("lora" in name for name, _ in peft.named_parameters())
    assert load_adapter(tiny_model("llama"), tmp_path / "out").config.r == 16


def test_a_step_counts_an_example_by_the_share_of_its_kl(llama, save_adapter, tmp_path):
    """A change of the logarithm of KL and noise is the KL's change divided by both."""
    (tmp_path / "a.txt").write_text(prose(1))
    always = Mixture(Corpus(llama, [tmp_path / "a.txt"]), None, shortest=80, longest=120).example(random.Random(0))
    folder = save_adapter()
    llama.eraser = load_adapter(llama.model, folder, torch.float32)
    weights = list(llama.eraser.weights.values())
    for weight in weights:
        weight.requires_grad_(True)
    distiller = Distiller(llama, llama.eraser)
    loss = distiller.loss(always, distiller.methods[0])
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    norm = sum(gradient.square().sum() for gradient in gradients if gradient is not None).sqrt()

    mixture = SimpleNamespace(example=lambda rng: always)
    recipe = Recipe(method="kveraser", steps=1, contexts_per_step=1)
    train(llama, mixture, recipe, tmp_path / "out", start_from=folder)
    row = json.loads((tmp_path / "out" / "metrics.jsonl").read_text())
    assert row["loss"] == pytest.approx(loss.item(), rel=1e-3)
    assert row["gradient_norm"] == pytest.approx((norm / (loss + 1e-3)).item(), rel=1e-3)


def test_a_stopped_run_goes_on_to_the_same_result(tokenizer, squad, tmp_path):
    (tmp_path / "a.txt").write_text(prose(1, 400))

    def run(out, steps, stop=None):
        backbone = Backbone(tiny_model("llama"), tokenizer, "tiny")
        questions = QuestionFile(backbone, squad)
        mixture = Mixture(Corpus(backbone, [tmp_path / "a.txt"]), questions, dict(FINETUNE), 120, 240)

        def watch(step, loss, seconds):
            if step == stop:
                raise KeyboardInterrupt

        try:
            return train(backbone, mixture, Recipe(steps=steps, checkpoint_every=4), tmp_path / out, report=watch)
        except KeyboardInterrupt:
            return None

    whole = run("whole", 9)
    assert run("parts", 9, stop=6) is None
    parts = run("parts", 9)
    assert all(torch.equal(whole.weights[key], weight) for key, weight in parts.weights.items())
    steps = [json.loads(line)["step"] for line in (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 10))


def test_two_processes_make_one_step_of_both_their_contexts(model_folder, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text(prose(5, 500))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    train = ["-m", "kveraser_core", "train", "pretrain", "--model", str(model_folder), "--device", "cpu"]
    brief = [
        "--corpus",
        str(text),
        "--steps",
        "1",
        "--longest",
        "220",
        "--threads",
        "1",
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run([*launch, *train, *brief], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (row,) = (json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines())
    assert row["contexts"] == 4


def test_both_stages_and_an_evaluation_from_the_command_line(model_folder, squad, tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text(prose(5, 500))
    common = ["--model", str(model_folder), "--device", "cpu", "--corpus", str(text)]
    brief = ["--steps", "2", "--longest", "220", "--checkpoint-every", "1"]
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    assert main(["train", "pretrain", *common, *brief, "--out", first]) == 0
    qa = ["--qa", str(squad), "--articles", "0:3"]
    assert main(["train", "finetune", *common, *brief, *qa, "--from", first, "--out", second]) == 0
    card = (tmp_path / "second" / "README.md").read_text()
    assert "text.txt, qa.json (articles 1 to 3)" in card
    assert "2 with 4 contexts" in card
    assert (tmp_path / "second" / "loss.png").stat().st_size > 1000
    out = tmp_path / "evaluation"
    methods = ["--methods", "all,local_repair:200"]
    measure = [
        "evaluate",
        *common,
        *qa,
        *methods,
        "--eraser",
        second,
        "--lengths",
        "300",
        "--n",
        "1",
        "--out",
        str(out),
    ]
    assert main(measure) == 0
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert len(rows) == 6 * 10
    assert main(measure) == 0
    assert (out / "results.jsonl").read_text().count("\n") == len(rows)
    report = (out / "report.md").read_text()
    assert "| `noise_floor` |" in report
    assert "## document_qa" in report
    assert {row["kl"] for row in rows if row["method"] == "full_recompute"} == {0.0}
    assert all(row["kl"] < 0.002 for row in rows if row["method"] == "noise_floor")
    assert (out / "accuracy.png").exists()
    assert {(row["model"], row["eraser"], row["seed"]) for row in rows} == {(str(model_folder), second, 0)}
    engine = Backbone.load(str(model_folder), device="cpu").engine.name
    assert {(row["engine"], row["device"]) for row in rows} == {(engine, "cpu")}
    assert main([*measure, "--seed", "1"]) == 2
    assert "holds results with another seed (0, now 1): give another --out" in capsys.readouterr().err
    assert main(["train", "pretrain", *common, *brief, "--method", "mask", "--out", first]) == 2
    assert "No eraser can be trained for 'mask'" in capsys.readouterr().err
    assert main([*measure[:-1], str(tmp_path / "other"), "--tasks", "juggling"]) == 2
    assert "no task 'juggling'" in capsys.readouterr().err


def test_the_selector_is_fitted_and_used(llama, tmp_path, save_adapter, model_folder, squad, capsys):
    """By the command, for a tiny model: the weights are those of least squares, and the eraser brings them along."""
    (tmp_path / "text.txt").write_text(prose(5, 500))
    adapter = save_adapter()
    (adapter / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 8}')
    asked = [
        "train",
        "selector",
        "--model",
        str(model_folder),
        "--corpus",
        str(tmp_path / "text.txt"),
        "--device",
        "cpu",
    ]
    brief = ["--examples", "3", "--answers", "1", "--shortest", "220", "--longest", "260", "--out", str(adapter)]
    assert main([*asked, *brief]) == 2
    assert "fitted for an eraser of kveraser_lookahead" in capsys.readouterr().err
    assert main([*asked, *brief, "--eraser", str(adapter)]) == 0
    written = json.loads((adapter / "selector.json").read_text())
    assert set(written["weights"]) == set(WEIGHTS)
    assert min(written["weights"].values()) >= 0 < max(written["weights"].values())
    assert written["fitted_on"]["files"] == ["text.txt"]
    assert written["fitted_on"]["examples"] == 3
    llama.load_eraser(adapter)
    assert llama.eraser.selector == written["weights"]


def test_weights_are_least_squares_and_none_is_negative():
    torch.manual_seed(3)
    features, true = torch.rand(400, 4, dtype=torch.float64), torch.tensor([0.5, 0.0, 0.2, 0.9], dtype=torch.float64)
    torch.testing.assert_close(not_negative(features, features @ true), true, atol=1e-4, rtol=1e-3)
    pulled = features @ torch.tensor([0.5, -0.4, 0.2, 0.9], dtype=torch.float64)
    found = not_negative(features, pulled)
    assert found[1] == 0
    kept = features[:, [0, 2, 3]]
    torch.testing.assert_close(found[[0, 2, 3]], torch.linalg.lstsq(kept, pulled).solution, atol=1e-3, rtol=1e-3)
