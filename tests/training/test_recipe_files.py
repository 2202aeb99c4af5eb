"""Recipes in files: those that are shipped train, and what is none is refused by its cause."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from kveraser_core.cli.main import main
from kveraser_core.model.backbone import Backbone
from kveraser_core.tasks.corpus import Corpus
from kveraser_core.training.mixture import Mixture
from kveraser_core.training.recipe import BadRecipe, Recipe
from kveraser_core.training.trainer import train
from tests.tiny import tiny_model
from tests.training.texts import prose

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
SMALL = {"steps": 1, "contexts_per_step": 1, "shortest": 80, "longest": 120, "validate_every": 0}


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_shipped_recipe_trains_a_model_of_its_architecture(file, tokenizer, tmp_path):
    (tmp_path / "a.txt").write_text(prose(1))
    kind = "qwen3" if "qwen3" in file.parent.name else "llama"
    backbone = Backbone(tiny_model(kind), tokenizer, "tiny")
    recipe = Recipe(**Recipe.values(file) | SMALL)
    train(backbone, Mixture(Corpus(backbone, [tmp_path / "a.txt"]), None, shortest=80, longest=120), recipe, tmp_path)
    assert json.loads((tmp_path / "steering.json").read_text())["method"] == recipe.method
    weights = load_file(tmp_path / "adapter_model.safetensors")
    layers = backbone.model.config.num_hidden_layers
    assert len(weights) == layers * 7 * 2  # A and B of the seven projections of each layer


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rank: 16\nranks: 8\n", "sets ranks, which no recipe has: use method, lookahead, "),
        ("steps: many\n", "sets steps to 'many': give a whole number"),
        ("steps: 1.5\n", "sets steps to 1.5: give a whole number"),
        ("steps: true\n", "sets steps to True: give a whole number"),
        ("learning_rate: 3e-4\n", "sets learning_rate to '3e-4': give a number"),  # YAML 1.1 wants 3.0e-4
        ("method: 3\n", "sets method to 3: give a text"),
        ("- steps\n", "is no recipe: give a YAML file"),
        ("a: b: c\n", "is no recipe: give a YAML file"),
        ("", "is no recipe: give a YAML file"),
    ],
)
def test_what_is_no_recipe_is_refused_by_its_cause(text, said, tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    with pytest.raises(BadRecipe, match=said):
        Recipe.values(file)
    with pytest.raises(BadRecipe, match="is no recipe"):
        Recipe.values(tmp_path / "none.yaml")


def test_options_take_precedence_over_the_file(model_folder, tmp_path, capsys):
    text, file, out = tmp_path / "text.txt", tmp_path / "recipe.yaml", tmp_path / "out"
    text.write_text(prose(5, 500))
    file.write_text("steps: 7\ncontexts_per_step: 1\nwarmup: 3\nlongest: 220\n")
    asked = ["train", "pretrain", "--model", str(model_folder), "--device", "cpu", "--corpus", str(text)]
    assert main([*asked, "--config", str(file), "--steps", "1", "--out", str(out)]) == 0
    recipe = json.loads((out / "recipe.json").read_text())
    assert (recipe["steps"], recipe["warmup"], recipe["longest"]) == (1, 3, 220)
    assert recipe["learning_rate"] == Recipe().learning_rate
    capsys.readouterr()
    assert main([*asked, "--validate-every", "1", "--out", str(out)]) == 2
    assert "give it with --validation" in capsys.readouterr().err
