import pytest
import torch
from transformers import SmolLM3Config, SmolLM3ForCausalLM
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.rotation import KeyRotation, Turns
from tests.tiny import tiny_model

VARIANTS = {
    "default": {"rope_type": "default", "rope_theta": 1e4},
    "linear": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0},
    "yarn": {
        "rope_type": "yarn",
        "rope_theta": 1e4,
        "factor": 4.0,
        "original_max_position_embeddings": 256,
    },
    "llama3": {
        "rope_type": "llama3",
        "rope_theta": 1e4,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 256,
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("by", [-200, -1, 0, 3, 500])
def test_shifted_keys_are_those_rotated_to_the_new_positions(variant, by):
    model = tiny_model("llama", rope_parameters=VARIANTS[variant])
    plain = torch.randn(1, 2, 30, 16)

    def at(first):
        positions = torch.arange(first, first + 30)[None]
        return apply_rotary_pos_emb(plain, plain, *model.model.rotary_emb(plain, positions))[1]

    moved = KeyRotation.of(model).shift(at(300), 0, by)
    torch.testing.assert_close(moved, at(300 + by), atol=1e-4, rtol=1e-4)


def test_layers_without_positions_are_left_alone():
    torch.manual_seed(0)
    config = SmolLM3Config(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = SmolLM3ForCausalLM(config).eval()
    ids = torch.arange(20)[None]

    def keys_at(first):
        cache = EditableCache.of(model, 64)
        with torch.no_grad():
            model(ids, position_ids=torch.arange(first, first + 20)[None], past_key_values=cache)
        return cache

    here, there = keys_at(0), keys_at(9)
    moved = [here.rotation.shift(layer.filled()[0], number, 9) for number, layer in enumerate(here.editable)]
    for keys, expected in zip(moved, there.editable, strict=True):
        torch.testing.assert_close(keys, expected.filled()[0], atol=1e-4, rtol=1e-4)
    assert config.no_rope_layers.count(0) == 1
    assert torch.equal(moved[3], here.editable[3].filled()[0])


@pytest.mark.parametrize("variant", VARIANTS)
def test_turns_are_the_models_own_cosines_and_sines(variant):
    rotary = tiny_model("llama", rope_parameters=VARIANTS[variant]).model.rotary_emb
    turns = Turns(rotary)
    for positions in ([[0, 1], [5, 3]], [[1023, 1024]], [[-7, 4000]], [[2999, 12]]):
        for row, found in zip(positions, turns.at(torch.tensor(positions)), strict=True):
            cos, sin = rotary(torch.empty(0), torch.tensor([row]))
            assert torch.allclose(torch.cat((found[:, 0], found[:, 0]), -1), cos[0], atol=1e-6)
            assert torch.allclose(torch.cat((found[:, 1], found[:, 1]), -1), sin[0], atol=1e-6)
