"""Damaged model folders: one sentence that names the true cause, and never another exception."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from kveraser_core.model import loading as model_files
from kveraser_core.model.backbone import Backbone, UnsupportedModel


@pytest.fixture
def refused(model_folder, tmp_path):
    """Loads a copy of a good folder that was altered, and returns why it was refused."""

    def load(alter):
        folder = tmp_path / "model"
        shutil.copytree(model_folder, folder)
        alter(folder)
        with pytest.raises(UnsupportedModel) as caught:
            Backbone.load(str(folder), device="cpu", dtype=torch.float32)
        said = str(caught.value)
        assert said.startswith(f"The model {folder} could not be loaded, for ")
        assert said.endswith(".")
        assert "\n" not in said
        return said

    return load


def changing(file, **changes):
    def alter(folder):
        settings = json.loads((folder / file).read_text()) | changes
        (folder / file).write_text(json.dumps(settings))

    return alter


def weights_changed(**changes):
    def alter(folder):
        weights = load_file(folder / "model.safetensors")
        for name, weight in changes.items():
            weights[name.replace("__", ".")] = weight
        kept = {name: weight for name, weight in weights.items() if weight is not None}
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})

    return alter


@pytest.mark.parametrize("share", [0, 0.00001, 0.0002, 0.5, 0.9999])
def test_truncated_weights(refused, share):
    def cut(folder):
        content = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(content[: int(share * len(content))])

    assert "its weights cannot be read" in (said := refused(cut)) or "do not fit each other" in said


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (weights_changed(model__norm__weight=torch.ones(3)), "model.norm.weight is 3, by its config.json 64"),
        (weights_changed(model__norm__weight=None), "model.norm.weight is not among them"),
        (changing("config.json", attention_bias=True), "bias is not among them"),
        (changing("config.json", num_hidden_layers=4), "layers.3"),
        (changing("config.json", intermediate_size=95), "by its config.json"),
    ],
    ids=["shape", "missing", "biases", "more-layers", "narrower"],
)
def test_weights_that_do_not_fit_are_named(refused, alter, said):
    assert said in refused(alter)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("hidden_size", value) for value in (0, -64, 63, "64", 64.5, None, 10**9)),
        *(("vocab_size", value) for value in (0, -5, 100, "a", 10**12)),
        *(("num_hidden_layers", value) for value in (0, -1, "x", 900)),
        *(("num_attention_heads", value) for value in (0, -4, 10**6)),
        *(("num_key_value_heads", value) for value in (0, 3, 10**6)),
        *(("head_dim", value) for value in (0, 15, 10**8)),
        *(("intermediate_size", value) for value in (0, 10**10)),
        *(("max_position_embeddings", value) for value in (0, -1, "x", None)),
        *(("rope_parameters", value) for value in ("x", {"rope_type": "nonsense"}, {"rope_type": "yarn"})),
        *(("model_type", value) for value in (None, "nonsense", 3, [])),
        *(("hidden_act", value) for value in ("nonsense", None)),
        *(("layer_types", value) for value in (["x"], 3, ["sliding_attention"] * 3)),
        ("quantization_config", {"quant_method": "gptq", "bits": 4}),
        ("eos_token_id", "x"),
        ("dtype", "nonsense"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_configurations_that_cannot_be(refused, name, value):
    refused(changing("config.json", **{name: value}))


CONTENTS = [b"", b"null", b"[]", b"3", b"\xff\xfe", b"[" * 100_000]


@pytest.mark.parametrize("content", CONTENTS, ids=["empty", "null", "list", "number", "binary", "deep"])
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("config.json", "its config.json cannot be used"),
        ("tokenizer.json", "its tokenizer cannot be read"),
        ("tokenizer_config.json", "its tokenizer cannot be read"),
    ],
)
def test_files_that_cannot_be_read(refused, file, said, content):
    assert said in refused(lambda folder: (folder / file).write_bytes(content))


@pytest.mark.parametrize(
    ("file", "said"),
    [("config.json", "its config.json"), ("tokenizer.json", "its tokenizer"), ("model.safetensors", "its weights")],
)
def test_files_that_are_missing(refused, file, said):
    assert said in refused(lambda folder: (folder / file).unlink())


@pytest.mark.parametrize("template", ["{% for %}", "{{ raise_exception('no') }}", "", "{{ 1 / 0 }}"])
def test_chat_templates_that_cannot_be_used(refused, template):
    said = refused(lambda folder: (folder / "chat_template.jinja").write_text(template))
    assert "its chat template cannot be used" in said


def test_a_tokenizer_of_a_larger_model(refused):
    def add(folder):
        settings = json.loads((folder / "tokenizer.json").read_text())
        settings["model"]["vocab"]["zzz"] = 5000
        (folder / "tokenizer.json").write_text(json.dumps(settings))

    assert "its last token is 5000, the model's 419" in refused(add)


@pytest.mark.parametrize("index", [b"null", b"{}", b'{"weight_map": {"model.norm.weight": "../../etc/passwd"}}'])
def test_an_index_that_leads_nowhere(refused, index):
    def replace(folder):
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_bytes(index)

    refused(replace)


def test_a_model_of_more_layers_than_there_can_be(model_folder, tmp_path):
    shutil.copytree(model_folder, tmp_path, dirs_exist_ok=True)
    changing("config.json", num_hidden_layers=10**9)(tmp_path)
    with pytest.raises(UnsupportedModel, match="1,000,000,000 layers"):
        Backbone.load(str(tmp_path), device="cpu")


def test_a_model_that_is_too_large_for_the_machine(model_folder, monkeypatch):
    monkeypatch.setattr(model_files, "_memory", lambda: 100_000)
    with pytest.raises(UnsupportedModel, match=r"needs .* GB of memory and this machine has 0\.0 GB"):
        Backbone.load(str(model_folder), device="cpu")


def test_code_that_comes_with_a_model_is_neither_run_nor_asked_about(refused):
    def add(folder):
        (folder / "evil.py").write_text("raise SystemExit('it was run')")
        changing("config.json", model_type="evil", auto_map={"AutoConfig": "evil.Config"})(folder)

    assert "its config.json cannot be used" in refused(add)


@pytest.mark.parametrize("name", ["~nobody/x", "a\0b", "/no/such/folder", "x" * 5000, "a b"])
def test_names_that_cannot_be(name, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UnsupportedModel, match="could not be loaded"):
        Backbone.load(name)
