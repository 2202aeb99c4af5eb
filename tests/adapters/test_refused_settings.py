"""Adapters with settings that change the shared model or are none: each is refused by name."""

from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import PeftModel
from safetensors.torch import load_file

from kveraser_core.model.adapter_files import CONFIG, WEIGHTS, read_settings
from kveraser_core.model.adapters import AdapterError, load_adapter
from tests.adapters.folders import logits, write
from tests.tiny import tiny_model

NOT_PLAIN = {
    "use_dora": True,
    "bias": "all",
    "lora_bias": True,
    "modules_to_save": ["lm_head"],
    "layer_replication": [[0, 2], [1, 3]],
    "rank_pattern": {"q_proj": 8},
    "alpha_pattern": {"q_proj": 64},
    "fan_in_fan_out": True,
    "init_lora_weights": "pissa",
    "trainable_token_indices": [1, 2],
    "target_parameters": ["experts.gate_up_proj"],
    "layers_pattern": "layers",
    "loftq_config": {"loftq_bits": 4},
    "eva_config": {"rho": 2.0},
    "corda_config": {"corda_method": "kpm"},
    "lora_ga_config": {"direction": "ArB2r"},
    "kasa_config": {"beta": 0.1},
    "velora_config": {"rank": 1},
    "arrow_config": {"top_k": 2},
    "monteclora_config": {"num_samples": 4},
    "use_qalora": True,
    "use_bdlora": {"nblocks": 2},
    "qalora_group_size": 8,
    "megatron_config": {"tensor_model_parallel_size": 2},
    "megatron_core": "other.core",
    "alora_invocation_tokens": [5, 6],
    "ensure_weight_tying": True,
    "runtime_config": {"ephemeral_gpu_offload": True},
    "quantization_config": {"load_in_4bit": True},
    "added_by_a_later_peft": "on",
    "added_by_a_later_peft_too": float("nan"),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(("name", "value"), NOT_PLAIN.items())
def test_what_is_no_plain_lora_is_refused_by_name(refused, name, value):
    assert f"sets {name} to" in refused({name: value})


@pytest.mark.parametrize(
    "start", ["pissa_niter_16", "olora", "corda", "eva", "loftq", "lora_ga", "mica", "unheard_of", 7, ["pissa"]]
)
def test_weights_started_from_the_models_own_are_refused(refused, start):
    assert "sets init_lora_weights to" in refused({"init_lora_weights": start})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("r", value) for value in ("16", 0, -1, 10**9, 4.0, True, None, [4], {}, float("nan"), 5)),
        *(("lora_alpha", value) for value in ("8", None, True, float("nan"), float("inf"), 10**400, [8], {})),
        *(("target_modules", value) for value in (7, True, {"q_proj": 1}, [1, 2], [["q_proj"]], 0.5)),
        *(("use_rslora", value) for value in ("yes", 1, None, {})),
        *(("lora_dropout", value) for value in ("0.1", -1, 2, float("nan"), None)),
        ("exclude_modules", {"lm_head": 1}),
        ("layers_to_transform", "0"),
        ("auto_mapping", "LlamaModel"),
        ("task_type", 3),
        ("base_model_name_or_path", ["tiny"]),
        ("inference_mode", "no"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_settings_of_the_wrong_kind_are_refused_by_name(refused, name, value):
    said = refused({name: value})
    assert ("rank" if name == "r" and isinstance(value, int) and value > 1 else f"its {name} is") in said


@pytest.mark.parametrize("kind", ["IA3", "ADALORA", "PREFIX_TUNING", "lora", "", None, 3, ["LORA"], {}])
def test_other_kinds_of_adapters_are_refused(refused, kind):
    assert "an eraser is a LoRA adapter" in refused({"peft_type": kind})


@pytest.mark.parametrize(
    "content",
    [
        b"", b"null", b"[]", b'"LORA"', b"{", b"\xff\xfe", b"{'r': 4}", b"[" * 100_000,
        b'{"peft_type": "LORA", "r": }',
        b"{" + b" " * 2**20 + b"}",
        b'{"peft_type": "LORA", "r": ' + b"9" * 5000 + b"}",
    ],
    ids=["empty", "null", "list", "text", "cut", "no-utf8", "quotes", "deep", "no-value", "oversize", "digits"],
)  # fmt: skip
def test_a_configuration_that_cannot_be_read_is_refused(refused, content):
    assert f"its {CONFIG} cannot be read" in refused(files={CONFIG: content})


@pytest.mark.parametrize(
    "harmless",
    [
        {"unknown": None, "unknown_too": False, "unknown_as_well": {}},
        {"init_lora_weights": "gaussian"},
        {"init_lora_weights": False},
        {"lora_dropout": 0.5, "inference_mode": False},
        {"target_modules": "all-linear", "exclude_modules": ["lm_head"]},
        {"layers_to_transform": [0, 1, 2], "revision": "main"},
        {"use_rslora": True},
        {"lora_alpha": 2.5},
    ],
    ids=lambda value: next(iter(value)),
)
def test_what_changes_no_model_loads_as_peft_loads_it(good, tmp_path, harmless):
    config, weights = good
    torch.manual_seed(3)
    write(tmp_path, config | harmless, {name: torch.randn_like(weight) for name, weight in weights.items()})
    model = tiny_model("llama", "sdpa")
    with load_adapter(model, tmp_path).active():
        adapted = logits(model)
    known = {name: value for name, value in harmless.items() if not name.startswith("unknown")}
    write(tmp_path, config | known, load_file(tmp_path / WEIGHTS))
    expected = PeftModel.from_pretrained(tiny_model("llama", "sdpa"), tmp_path).eval()
    torch.testing.assert_close(adapted, logits(expected))


def test_the_shipped_eraser_has_settings_that_are_accepted():
    folders = [path.parent for path in Path("assets/erasers").glob(f"*/{CONFIG}")]
    assert folders
    for folder in folders:
        assert read_settings(folder, folder).r == 16


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_settings_changed_at_random_are_taken_or_refused_and_nothing_else(good, bystander, tmp_path, data):
    config, weights = good
    names = st.sampled_from([*config, "unknown"])
    changed = config | data.draw(st.dictionaries(names, ANYTHING, min_size=1, max_size=3))
    for name in data.draw(st.lists(names, max_size=2)):
        changed.pop(name, None)
    write(tmp_path, changed, weights)
    before = {path: id(module) for path, module in bystander.model.named_modules()}
    with suppress(AdapterError):
        bystander.load_eraser(tmp_path)
    assert before == {path: id(module) for path, module in bystander.model.named_modules()}


@pytest.mark.parametrize("source", ["~no-such-user/eraser", "a\0b", "../..//", "x" * 5000])
def test_names_that_cannot_be_are_refused(source, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(AdapterError):
        load_adapter(tiny_model("llama"), source)
