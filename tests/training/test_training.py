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
from kveraser_core.tasks.corpus import Corpus, CorpusError
from kveraser_core.tasks.document_qa import QuestionFile, QuestionsError, document_qa
from kveraser_core.tasks.examples import Example, Insert, Question, assemble
from kveraser_core.tasks.held_out import held_out
from kveraser_core.tasks.needle import needle
from kveraser_core.tasks.skill_file import skill_file
from kveraser_core.tasks.span_neighbour import span_neighbour
from kveraser_core.training.distill import Distiller
from kveraser_core.training.mixture import FINETUNE, Mixture
from kveraser_core.training.recipe import Recipe
from kveraser_core.training.selector import not_negative
from kveraser_core.training.trainer import train
from tests.conftest import TEXT, tiny_model

WORDS = ["harbour", "lamp", "toll", "rope", "gull", "tide", "crane", "barrel", "captain", "signal", "anchor", "quay"]


def prose(seed, sentences=260):
    rng = random.Random(seed)
    return " ".join(" ".join(rng.choices(WORDS, k=rng.randint(4, 9))).capitalize() + "." for _ in range(sentences))


@pytest.fixture
def corpus(llama, tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.txt").write_text(prose(seed))
    return Corpus(llama, [folder])


@pytest.fixture
def squad(tmp_path):
    articles = []
    for number in range(4):
        paragraphs = []
        for part in range(3):
            answer = f"{1800 + 10 * number + part}"
            context = (
                f"{prose(10 * number + part, 3)} The pier {number}-{part} was built in {answer}. {prose(part, 2)}"
            )
            asked = {
                "id": f"{number}{part}",
                "question": f"When was the pier {number}-{part} built?",
                "answers": [{"text": answer, "answer_start": context.index(answer)}],
            }
            paragraphs.append({"context": context, "qas": [asked]})
        articles.append({"title": str(number), "paragraphs": paragraphs})
    path = tmp_path / "qa.json"
    path.write_text(json.dumps({"version": "test", "data": articles}))
    return path


def erased(backbone, example):
    return [backbone.text_of(example.ids[span.start : span.end]) for span in example.spans]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("spans", [1, 3])
def test_span_neighbour_puts_foreign_text_into_a_passage(corpus, seed, spans):
    example = span_neighbour(corpus, random.Random(seed), 400, spans)
    assert len(example.spans) == spans
    assert 300 <= len(example.ids) <= 420
    kept = corpus.backbone.text_of(example.kept_ids)
    whole = [corpus.backbone.text_of(text) for text in corpus.texts]
    assert any(kept in text for text in whole)
    assert all(any(chunk in text for text in whole) for chunk in erased(corpus.backbone, example))
    assert all(question.answer in kept for question in example.questions)
    assert all(question.accept in " ".join(question.answer.split()) for question in example.questions)
    assert all(1 <= len(question.accept.split()) <= 4 for question in example.questions)


def test_span_neighbour_reaches_the_very_start_and_the_very_end(corpus):
    examples = [span_neighbour(corpus, random.Random(seed), 300) for seed in range(60)]
    assert any(example.spans[0].start == 0 for example in examples)
    assert any(example.spans[0].end == len(example.ids) for example in examples)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("spans", [1, 2])
def test_a_needle_is_contradicted_inside_its_span_only(corpus, seed, spans):
    example = needle(corpus, random.Random(seed), 600, spans, unanswered=0.0)
    kept, lies = corpus.backbone.text_of(example.kept_ids), erased(corpus.backbone, example)
    assert len(lies) == spans
    for question in example.questions[:spans]:
        assert question.answer in kept
        assert question.accept in question.answer
        assert question.answer.replace(question.accept, question.forbidden) not in kept
        assert any(question.answer.replace(question.accept, question.forbidden) in lie for lie in lies)


def test_some_needles_are_said_nowhere_but_in_the_span(corpus):
    example = needle(corpus, random.Random(1), 500, unanswered=1.0)
    question = example.questions[0]
    assert question.answer not in corpus.backbone.text_of(example.kept_ids)
    assert question.answer in erased(corpus.backbone, example)[0]


@pytest.mark.parametrize("number", range(8))
def test_a_replaced_fact_is_said_as_it_is_now(corpus, number):
    example = held_out("replace", corpus, None, 500, number, 0)
    kept, (old,) = corpus.backbone.text_of(example.kept_ids), erased(corpus.backbone, example)
    (question,) = example.questions
    assert question.answer in kept
    assert bool(question.forbidden) == (number % 2 == 0)  # else it is about the other fact
    if question.forbidden:
        assert question.answer.replace(question.accept, question.forbidden) == old.strip()
        assert old not in kept
    assert len(example.kept_ids) == len(example.ids) - len(example.spans[0]) + len(example.new[0])


@pytest.mark.parametrize("seed", range(8))
def test_a_malicious_skill_is_in_its_span_only(corpus, seed):
    example = skill_file(corpus, random.Random(seed), 700)
    kept, (lie,) = corpus.backbone.text_of(example.kept_ids), erased(corpus.backbone, example)
    question = example.questions[0]
    assert question.forbidden in lie
    assert question.forbidden not in kept
    assert f"Skill: {question.answer}\n" in kept


@pytest.mark.parametrize("seed", range(8))
def test_a_distractor_is_the_answers_sentence_with_another_answer(llama, squad, seed):
    file = QuestionFile(llama, squad, slice(0, 3))
    assert len(file.items) == 9
    example = document_qa(file, random.Random(seed), 500)
    kept, lies = llama.text_of(example.kept_ids), erased(llama, example)
    question = example.questions[0]
    assert question.answer in kept
    assert len(lies) == 1
    pier = question.text.removeprefix("When was the ").removesuffix(" built?")
    assert f"The {pier} was built in {question.forbidden}." in lies[0]
    assert f"The {pier} was built in {question.answer}." in kept
    assert question.forbidden != question.answer
    assert not lies[0].count(question.answer)


def test_what_cannot_be_trained_on_is_refused(llama, tmp_path):
    with pytest.raises(CorpusError, match="no file or folder"):
        Corpus(llama, [tmp_path / "absent"])
    with pytest.raises(CorpusError, match="too little text"):
        Corpus(llama, [tmp_path])
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    with pytest.raises(QuestionsError, match="SQuAD"):
        QuestionFile(llama, bad)
    (tmp_path / "a.txt").write_text(prose(0))
    short = Corpus(llama, [tmp_path / "a.txt"])
    with pytest.raises(CorpusError, match="longer texts"):
        short.passage(random.Random(0), 10**6)


def test_assemble_by_hand():
    made = assemble("t", [1, 2, 3, 4], [Insert(4, [9], True), Insert(1, [7, 8], True), Insert(1, [5], False)], [])
    assert made.ids == [1, 7, 8, 5, 2, 3, 4, 9]
    assert made.spans == (Span(1, 3), Span(7, 8))
    assert made.kept_ids == [1, 5, 2, 3, 4]


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
        "2",
        "--out",
        str(out),
    ]
    assert main(measure) == 0
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert len(rows) == 6 * 2 * 10
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
