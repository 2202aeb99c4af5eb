import pytest
import torch
from transformers import DynamicCache
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.layer import CacheFull, OutOfMemory
from kveraser_core.cache.view import ALL_SLOTS
from tests.tiny import tiny_model

IDS = torch.randint(3, 400, (1, 60), generator=torch.Generator().manual_seed(1))


def steps(model, cache, ids=IDS):
    """The logits of a prefill in two chunks and of token by token decoding behind it."""
    out = []
    with torch.no_grad():
        for start, end in [(0, 30), (30, 47), *((at, at + 1) for at in range(47, 60))]:
            out.append(model(ids[:, start:end], past_key_values=cache).logits)
    return torch.cat(out, dim=1)


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_logits_are_exactly_those_of_a_dynamic_cache_in_fp32(kind):
    model = tiny_model(kind, "sdpa")
    assert torch.equal(steps(model, EditableCache.of(model, 100)), steps(model, DynamicCache()))


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_our_attention_agrees_with_plain_transformers(kind):
    plain, ours = tiny_model(kind, "sdpa"), tiny_model(kind)
    torch.testing.assert_close(
        steps(ours, EditableCache.of(ours, 100)), steps(plain, DynamicCache()), atol=2e-5, rtol=1e-5
    )


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_bf16_logits_stay_within_a_fiftieth_of_their_spread(kind):
    plain, ours = tiny_model(kind, "sdpa").bfloat16(), tiny_model(kind).bfloat16()
    expected = steps(plain, DynamicCache()).float()
    actual = steps(ours, EditableCache.of(ours, 100)).float()
    assert (actual - expected).std() < expected.std() / 50


def test_generate_answers_as_it_does_without_a_cache(model):
    plain = tiny_model(model.config.model_type, "sdpa")
    options = {"max_new_tokens": 12, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    expected = plain.generate(IDS, **options)
    cache = EditableCache.of(model, 100)
    with torch.no_grad():
        model(IDS[:, :50], past_key_values=cache)
    buffers = [layer.key_buffer.data_ptr() for layer in cache.editable]
    assert torch.equal(model.generate(IDS, past_key_values=cache, **options), expected)
    assert [layer.key_buffer.data_ptr() for layer in cache.editable] == buffers


def filled(model, tokens=60, capacity=100):
    cache = EditableCache.of(model, capacity)
    with torch.no_grad():
        model(IDS[:, :tokens], past_key_values=cache)
    return cache


def states(cache):
    return [tensor.clone() for layer in cache.editable for tensor in layer.filled()]


def same(left, right):
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_slots_are_written_back_bit_for_bit(model):
    cache = filled(model)
    before = states(cache)
    aside = cache.slots(10, 25)
    with cache.overwriting(range(10, 25), ALL_SLOTS), torch.no_grad():
        model(IDS[:, 30:45], past_key_values=cache, position_ids=torch.arange(10, 25)[None])
    changed = states(cache)
    for old, new in zip(before, changed, strict=True):
        assert torch.equal(old[:, :, :10], new[:, :, :10])
        assert torch.equal(old[:, :, 25:], new[:, :, 25:])
        assert not torch.equal(old[:, :, 10:25], new[:, :, 10:25])
    cache.write(aside)
    assert same(states(cache), before)
    assert aside.nbytes == 15 * cache.used_bytes // 60


def test_appended_tokens_are_cut_off_again(model):
    cache = filled(model)
    cache.next_position = 80
    before = states(cache)
    with cache.appending(), torch.no_grad():
        model(IDS[:, :9], past_key_values=cache)
        assert cache.length == 69
    assert (cache.length, cache.next_position) == (60, 80)
    assert same(states(cache), before)


def test_truncating_forgets_the_last_tokens(model):
    cache = filled(model)
    cache.truncate(47)
    with torch.no_grad():
        again = model(IDS[:, 47:], past_key_values=cache).logits
        torch.testing.assert_close(again, model(IDS, use_cache=False).logits[:, 47:], atol=2e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="cannot truncate"):
        cache.truncate(61)


def test_rotated_keys_are_those_of_their_new_positions():
    model = tiny_model("llama")
    plain = []
    hook = model.model.layers[0].self_attn.k_proj.register_forward_hook(lambda *args: plain.append(args[2]))
    source = filled(model)
    hook.remove()
    moved = source.rotation.shift(source.editable[0].filled()[0][:, :, 25:60], 0, -15)
    kept = plain[0][:, 25:60].view(1, 35, 2, 16).transpose(1, 2)
    expected = apply_rotary_pos_emb(kept, kept, *model.model.rotary_emb(kept, torch.arange(10, 45)[None]))[1]
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=1e-5)


def test_it_says_what_does_not_fit(model):
    with pytest.raises(CacheFull, match="room for 10 more tokens and 60"):
        filled(model, capacity=10)
    with pytest.raises(OutOfMemory, match="no memory left"):
        filled(model, capacity=2**50)


def test_it_counts_the_bytes_it_uses(model):
    layers, kv_heads, dim, keys_and_values, fp32 = 3, 2, 16, 2, 4
    cache = EditableCache.of(model, 100)
    assert cache.used_bytes == 0
    assert filled(model).used_bytes == 60 * layers * kv_heads * dim * keys_and_values * fp32
