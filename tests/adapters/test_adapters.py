import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from kveraser_core.model.adapters import AdapterError, load_adapter
from tests.adapters.folders import logits
from tests.tiny import tiny_model


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
