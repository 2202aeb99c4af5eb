import json
import os
import struct
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model, inject_adapter_in_model
from safetensors.torch import load_file, save_file

from kveraser_core.model import adapters
from kveraser_core.model.adapter_files import CONFIG, STEERING, WEIGHTS, read_settings
from kveraser_core.model.adapters import AdapterError, load_adapter
from kveraser_core.model.backbone import Backbone
from tests.conftest import PROJECTIONS, tiny_model

IDS = torch.arange(5, 45)[None]


def logits(model):
    with torch.no_grad():
        return model(IDS).logits


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
@pytest.mark.parametrize("bare", [False, True], ids=["AutoModelForCausalLM", "AutoModel"])
def test_an_adapter_saved_by_peft_computes_what_peft_computes(kind, bare, save_adapter):
    folder = save_adapter(kind, bare=bare)
    model = tiny_model(kind, "sdpa")
    plain = logits(model)
    eraser = load_adapter(model, folder)
    assert torch.equal(logits(model), plain)
    with eraser.active():
        adapted = logits(model)
    assert torch.equal(logits(model), plain)
    base = tiny_model(kind, "sdpa")
    if bare:
        base.model = PeftModel.from_pretrained(base.model, folder)
    else:
        base = PeftModel.from_pretrained(base, folder)
    torch.testing.assert_close(adapted, logits(base))
    assert not torch.allclose(adapted, plain, atol=1e-2)


def test_it_is_off_again_after_an_error(save_adapter):
    model = tiny_model("llama", "sdpa")
    plain = logits(model)
    eraser = load_adapter(model, save_adapter())
    with pytest.raises(RuntimeError), eraser.active():
        raise RuntimeError
    assert torch.equal(logits(model), plain)


def test_another_eraser_takes_the_place_of_the_first(save_adapter):
    model = tiny_model("llama", "sdpa")
    load_adapter(model, save_adapter(zero=True))
    second = load_adapter(model, save_adapter())
    alone = tiny_model("llama", "sdpa")
    only = load_adapter(alone, save_adapter())
    with second.active(), only.active():
        assert torch.equal(logits(model), logits(alone))


def test_an_adapter_of_another_size_is_refused_with_both_shapes(save_adapter):
    folder = save_adapter("llama", hidden_size=80)
    with pytest.raises(AdapterError, match=r"64 x 96, the adapter.s lora_B there is 80 x 4"):
        load_adapter(tiny_model("llama"), folder)


def test_an_adapter_with_more_layers_is_refused(save_adapter):
    folder = save_adapter("llama", num_hidden_layers=4)
    with pytest.raises(AdapterError, match=r"no layers\.3\."):
        load_adapter(tiny_model("llama"), folder)


def test_only_lora_on_decoder_layers_is_an_eraser(save_adapter):
    folder = save_adapter()
    config = json.loads((folder / "adapter_config.json").read_text())
    config["peft_type"] = "IA3"
    (folder / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(AdapterError, match="LoRA adapter"):
        load_adapter(tiny_model("llama"), folder)


def test_weights_elsewhere_are_refused(save_adapter):
    folder = save_adapter()
    weights = load_file(folder / "adapter_model.safetensors")
    weights["base_model.model.lm_head.lora_A.weight"] = torch.zeros(4, 64)
    save_file(weights, folder / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match="lm_head"):
        load_adapter(tiny_model("llama"), folder)


def test_pickled_weights_are_never_read(save_adapter):
    folder = save_adapter()
    weights = load_file(folder / "adapter_model.safetensors")
    torch.save(weights, folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(AdapterError, match="safetensors"):
        load_adapter(tiny_model("llama"), folder)


def test_a_folder_without_an_adapter_is_refused(tmp_path):
    with pytest.raises(AdapterError, match="is not an eraser"):
        load_adapter(tiny_model("llama"), tmp_path)


def test_damaged_weights_are_refused(save_adapter):
    folder = save_adapter()
    (folder / "adapter_model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(AdapterError, match="is not an eraser"):
        load_adapter(tiny_model("llama"), folder)


def test_a_name_that_cannot_be_reached_is_refused(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(AdapterError, match="no eraser someone/nothing"):
        load_adapter(tiny_model("llama"), "someone/nothing")


@pytest.mark.parametrize(
    "damaged",
    ["", "[32]", "{}", '{"lookahead": "many"}', '{"lookahead": 0}', '{"lookahead": true}', "[" * 100_000],
    ids=lambda text: text[:20],
)
def test_a_steering_file_without_its_number_is_refused(save_adapter, damaged):
    folder = save_adapter()
    (folder / "steering.json").write_text(damaged)
    with pytest.raises(AdapterError, match="damaged"):
        load_adapter(tiny_model("llama"), folder)


def state(model):
    """All that an adapter could change: which module hangs where, weights bit for bit, flags, hooks, attributes."""
    return (
        {path: (id(module), type(module)) for path, module in model.named_modules()},
        {name: (id(weight), weight.requires_grad) for name, weight in model.named_parameters()},
        {name: weight.clone() for name, weight in model.state_dict().items()},
        {
            path: (sorted(vars(module)), module.training, len(module._forward_hooks), len(module._forward_pre_hooks))
            for path, module in model.named_modules()
        },
    )


def same(first, second):
    return all(
        a == b if not isinstance(next(iter(a.values())), torch.Tensor) else all(torch.equal(a[k], b[k]) for k in a)
        for a, b in zip(first, second, strict=True)
    )


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """An adapter's configuration and weights, as PEFT writes them."""
    folder = tmp_path_factory.mktemp("good")
    config = LoraConfig(r=4, lora_alpha=8, target_modules=PROJECTIONS, task_type="CAUSAL_LM")
    get_peft_model(tiny_model("llama", "sdpa"), config).save_pretrained(folder)
    return json.loads((folder / CONFIG).read_text()), load_file(folder / WEIGHTS)


@pytest.fixture(scope="module")
def bystander(tokenizer):
    """A backbone with an eraser, which no refused adapter may change."""
    return Backbone(tiny_model("llama"), tokenizer, "tiny")


@pytest.fixture
def refused(bystander, good, tmp_path):
    """Loads an adapter with these settings, files and weights, and returns why it was refused."""
    config, weights = good
    if bystander.eraser is None:
        first = tmp_path / "first"
        write(first, config, weights)
        bystander.load_eraser(first)
    earlier = bystander.eraser

    def load(settings=None, changed=None, files=None):
        folder = tmp_path / "bad"
        write(folder, config | (settings or {}), weights | (changed or {}))
        for name, content in (files or {}).items():
            (folder / name).write_bytes(content)
        before = state(bystander.model)
        with pytest.raises(AdapterError) as caught:
            bystander.load_eraser(folder)
        assert same(before, state(bystander.model))
        assert bystander.eraser is earlier
        assert not hasattr(bystander.model.get_decoder(), "peft_config")
        said = str(caught.value)
        assert said.endswith(".")
        assert "\n" not in said
        return said

    return load


def write(folder, config, weights):
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(config))
    save_file(weights, folder / WEIGHTS)


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
    "content",
    [
        b"", b"\x80\x04.", b"PK\x03\x04", struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 2**40) + b"{}",
        struct.pack("<Q", 5) + b"nojsn", struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 72) + b'{"layers.0.self_attn.q_proj.lora_A.weight":{"dtype":"F32","shape":[9]}}  ',
    ],
    ids=["empty", "pickle", "zip", "endless", "oversize", "no-json", "nothing", "no-offsets"],
)  # fmt: skip
def test_weights_that_cannot_be_read_are_refused(refused, content):
    assert WEIGHTS in refused(files={WEIGHTS: content})


def test_truncated_weights_are_refused(refused, good, tmp_path):
    write(tmp_path / "whole", *good)
    content = (tmp_path / "whole" / WEIGHTS).read_bytes()
    for length in (7, 100, len(content) // 2, len(content) - 1):
        assert "is damaged" in refused(files={WEIGHTS: content[:length]})


KEY = "base_model.model.model.layers.1.self_attn.q_proj.lora_{}.weight"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({KEY.format("B"): torch.full((64, 4), float("nan"))}, "lora_B of layers.1.self_attn.q_proj holds"),
        ({KEY.format("A"): torch.full((4, 64), float("inf"))}, "lora_A of layers.1.self_attn.q_proj holds"),
        ({KEY.format("A"): torch.full((4, 64), 1e300, dtype=torch.float64)}, "no number in float32"),
        ({KEY.format("B"): torch.full((64, 4), 2.5e38)}, "no number in float32"),  # its scale is 2
        ({KEY.format("A"): torch.ones(4, 64, dtype=torch.int32)}, "as I32"),
        ({KEY.format("A"): torch.ones(4, 64, dtype=torch.complex64)}, "as C64"),
        ({KEY.format("A"): torch.ones(3, 64)}, "no lora_A of rank 4"),
        ({KEY.format("A"): torch.ones(4, 64, 1)}, "4 x 64 x 1"),
        ({KEY.format("A"): torch.tensor(1.0)}, "does not fit"),
        ({"model.layers.1.self_attn.q_proj.lora_A.weight": torch.ones(4, 64)}, "more than once"),
        ({"base_model.model.model.layers.1.self_attn.lora_A.weight": torch.ones(4, 64)}, "but not its lora_B"),
        ({"base_model.model.model.layers.1.self_attn.q_proj.lora_magnitude_vector": torch.ones(64)}, "nothing else"),
        ({"base_model.model.model.layers.1.self_attn.q_proj.bias": torch.ones(64)}, "nothing else"),
        ({"base_model.model.model.embed_tokens.lora_embedding_A": torch.ones(4, 420)}, "nothing else"),
        ({"base_model.model.model.layers.1.self_attn.q_proj.base_layer.weight": torch.ones(64, 64)}, "nothing else"),
    ],
)
def test_weights_that_are_no_erasers_are_refused(refused, changed, said):
    assert said in refused(changed=changed)


def test_weights_that_overflow_in_the_models_dtype_are_refused(good, tmp_path):
    config, weights = good
    write(tmp_path, config, weights | {KEY.format("B"): torch.full((64, 4), 4e4)})
    load_adapter(tiny_model("llama"), tmp_path)
    model = tiny_model("llama").half()
    before = state(model)
    with pytest.raises(AdapterError, match="no number in float16"):
        load_adapter(model, tmp_path)
    assert same(before, state(model))


def test_an_adapter_without_weights_is_refused(good, tmp_path):
    write(tmp_path, good[0], {})
    with pytest.raises(AdapterError, match="holds no weights"):
        load_adapter(tiny_model("llama"), tmp_path)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, STEERING])
def test_a_pipe_in_the_folder_is_never_waited_for(good, tmp_path, name):
    write(tmp_path, *good)
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(AdapterError):
        load_adapter(tiny_model("llama"), tmp_path)


def test_a_fault_while_peft_wraps_the_modules_leaves_the_model_as_it_was(good, tmp_path, monkeypatch):
    def wrap_and_fail(*arguments):
        inject_adapter_in_model(*arguments)
        raise MemoryError

    monkeypatch.setattr(adapters, "inject_adapter_in_model", wrap_and_fail)
    write(tmp_path, *good)
    model = tiny_model("llama")
    before = state(model)
    with pytest.raises(MemoryError):
        load_adapter(model, tmp_path)
    assert same(before, state(model))


def test_an_eraser_that_is_loaded_leaves_the_model_as_it_was(good, tmp_path):
    write(tmp_path, *good)
    model = tiny_model("llama")
    before = state(model)
    load_adapter(model, tmp_path)
    assert same(before, state(model))


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


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


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
