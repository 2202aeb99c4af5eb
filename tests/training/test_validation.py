"""Validation: what is measured, which eraser is left, when training ends, and where metrics go besides."""

import json
import random

import pytest
import torch
from accelerate.tracking import GeneralTracker
from accelerate.utils import is_tensorboard_available
from safetensors.torch import load_file

from kveraser_core.model.adapters import load_adapter
from kveraser_core.model.backbone import Backbone
from kveraser_core.tasks.corpus import Corpus
from kveraser_core.training.distill import Distiller
from kveraser_core.training.mixture import Mixture
from kveraser_core.training.recipe import BadRecipe, Recipe
from kveraser_core.training.trainer import train
from kveraser_core.training.validation import Validation
from tests.tiny import tiny_model
from tests.training.texts import prose

RECIPE = Recipe(
    steps=12, contexts_per_step=1, checkpoint_every=1, validate_every=2, validation_contexts=3, patience=2
)


@pytest.fixture
def run(tokenizer, tmp_path):
    """Train in a folder of `tmp_path`, as far as `stop`; gives its rows."""
    (tmp_path / "a.txt").write_text(prose(1))
    (tmp_path / "b.txt").write_text(prose(2))

    def trained(out, recipe=RECIPE, stop=None, tracker=None):
        backbone = Backbone(tiny_model("llama"), tokenizer, "tiny")
        mixture, other = (
            Mixture(Corpus(backbone, [tmp_path / name]), None, shortest=80, longest=120)
            for name in ("a.txt", "b.txt")
        )

        def watch(step, loss, seconds):
            if step == stop:
                raise KeyboardInterrupt

        try:
            train(backbone, mixture, recipe, tmp_path / out, None, watch, other, tracker)
        except KeyboardInterrupt:
            assert stop
        return [json.loads(line) for line in (tmp_path / out / "metrics.jsonl").read_text().splitlines()]

    return trained


def weights(folder):
    return load_file(folder / "adapter_model.safetensors")


def test_the_best_eraser_is_left_and_training_ends_after_worse_ones(run, tmp_path, monkeypatch):
    figures = iter([0.5, 0.2, 0.4, 0.3, 0.1])
    monkeypatch.setattr(Validation, "measure", lambda *_: next(figures))
    rows = run("whole")
    assert [row["step"] for row in rows] == list(range(1, 9))
    assert [row.get("validation") for row in rows[1::2]] == pytest.approx([0.5, 0.2, 0.4, 0.3])
    assert all("validation" not in row for row in rows[::2])
    figures = iter([0.5, 0.2])
    run("half", stop=4)
    best = weights(tmp_path / "half")
    assert all(torch.equal(best[name], weight) for name, weight in weights(tmp_path / "whole").items())
    assert not (tmp_path / "whole" / "best").exists()


def test_a_validation_is_the_mean_kl_on_the_other_text(run, tmp_path, tokenizer):
    """Measured anew with the eraser as it was saved, in bf16."""
    rows = run("out", stop=2)
    backbone = Backbone(tiny_model("llama"), tokenizer, "tiny")
    eraser = backbone.eraser = load_adapter(backbone.model, tmp_path / "out", torch.float32)
    other = Mixture(Corpus(backbone, [tmp_path / "b.txt"]), None, shortest=80, longest=120)
    distiller = Distiller(backbone, eraser)
    losses = [
        distiller.loss(other.example(random.Random(f"validation/0/{number}")), distiller.methods[number % 2]).item()
        for number in range(3)
    ]
    assert rows[1]["validation"] == pytest.approx(sum(losses) / 3, rel=0.02)


def test_a_stopped_run_goes_on_to_the_same_result(run, tmp_path):
    recipe = Recipe(steps=6, contexts_per_step=1, checkpoint_every=3, validate_every=2, validation_contexts=2)
    whole = run("whole", recipe)
    run("parts", recipe, stop=5)
    parts = run("parts", recipe)
    assert [row.get("validation") for row in parts] == [row.get("validation") for row in whole]
    left = weights(tmp_path / "parts")
    assert all(torch.equal(left[name], weight) for name, weight in weights(tmp_path / "whole").items())


class Recorder(GeneralTracker):
    name = "recorder"
    requires_logging_directory = False

    def __init__(self):
        super().__init__()
        self.config, self.rows = None, {}

    @property
    def tracker(self):
        return self.rows

    def store_init_configuration(self, values):
        self.config = values

    def log(self, values, step, **_):
        self.rows[step] = values


def test_a_tracker_gets_the_recipe_and_every_row(run):
    recorder = Recorder()
    rows = run("out", Recipe(steps=2, contexts_per_step=1), tracker=recorder)
    assert recorder.config["steps"] == 2
    assert [recorder.rows[row["step"]] for row in rows] == rows


@pytest.mark.skipif(is_tensorboard_available(), reason="tensorboard is installed")
def test_a_tracker_that_is_not_installed_is_said_so(run, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(BadRecipe, match="tensorboard is not installed: run `pip install tensorboard`"):
        run("out", tracker="tensorboard")
