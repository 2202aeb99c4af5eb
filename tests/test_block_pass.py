from itertools import pairwise

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.layer import CacheFull
from kveraser_core.cache.view import AttentionView, SlotRange
from kveraser_core.engines.attention import NAME
from kveraser_core.engines.batch import Segment
from kveraser_core.engines.cpu.block_pass import BlockPass, shared_out
from kveraser_core.engines.cpu.engine import CpuEngine
from kveraser_core.engines.cpu.features import LEVEL
from kveraser_core.engines.engine import VARIABLE, EngineError
from kveraser_core.engines.torch import TorchEngine
from kveraser_core.model.backbone import Backbone
from tests.test_row_pass import as_read, close
from tests.tiny import PROJECTIONS, tiny_config, tiny_model

pytestmark = pytest.mark.skipif(
    torch.cpu._is_amx_tile_supported(), reason="blocks of tokens are read otherwise on this processor"
)
SIZES = {"max_position_embeddings": 4096, "hidden_size": 96, "num_attention_heads": 6, "initializer_range": 0.15}
"""Three heads to a key, as the packaged model has: what is padded to whole rows and to whole vectors differs then."""
BY_LAYER = (0.004, 0.015, 0.02)
"""What bf16 leaves of keys and values; one key more or less in 500 moves those of the second layer further."""


def built(kind, implementation):
    """A tiny model of a family, its biases and norms no longer what they start as."""
    if kind in ("llama", "qwen3"):
        model = tiny_model(kind, implementation, **SIZES)
    else:
        classes = {"qwen2": (Qwen2Config, Qwen2ForCausalLM), "smollm3": (SmolLM3Config, SmolLM3ForCausalLM)}
        config_class, model_class = classes[kind]
        sizes = {**tiny_config("llama", **SIZES).to_dict(), "model_type": kind, "architectures": None}
        config = config_class(**sizes, **({"no_rope_layers": [1, 0, 1]} if kind == "smollm3" else {}))
        config._attn_implementation = implementation
        torch.manual_seed(7)
        model = model_class(config).eval()
    torch.manual_seed(8)
    for name, weight in model.named_parameters():
        if "norm" in name or "bias" in name:
            weight.data += 0.2 * torch.randn_like(weight)
        weight.data = weight.data.bfloat16()
        if not LEVEL.pairs:
            weight.data = weight.data.float()
    return model


@pytest.fixture(params=["llama", "qwen2", "qwen3", "smollm3"])
def both(request, tokenizer, monkeypatch):
    """A model in bf16, and one in fp32 of the same weights that only transformers reads."""
    monkeypatch.delenv(VARIABLE, raising=False)
    model, exact = built(request.param, NAME), built(request.param, "sdpa").float()
    backbone = Backbone(model, tokenizer, "tiny")
    assert isinstance(backbone.engine, CpuEngine)
    assert isinstance(backbone.engine.blocks, BlockPass)
    return backbone, exact


def save_eraser(exact, folder, projections, rank):
    """Save an adapter for a model, its matrices not zero; returns the model with it."""
    wrapped = get_peft_model(exact, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=projections))
    torch.manual_seed(5)
    with torch.no_grad():
        for name, weight in wrapped.named_parameters():
            if "lora" in name:
                weight.copy_((weight if "lora_A" in name else 0.1 * torch.randn_like(weight)).bfloat16())
    wrapped.save_pretrained(folder)
    return wrapped


def some(count):
    return torch.randint(0, 420, (count,)).tolist()


@pytest.mark.parametrize(
    ("length", "new", "pieces"),
    [
        (0, 1, (SlotRange(0),)),
        (0, 150, (SlotRange(0),)),
        (3, 2, (SlotRange(0),)),
        (127, 3, (SlotRange(0),)),
        (700, 97, (SlotRange(0),)),
        (600, 30, (SlotRange(0, 40), SlotRange(140, None, -100))),
        (600, 5, (SlotRange(0, 40, 60), SlotRange(140))),
        (600, 33, (SlotRange(3, 40), SlotRange(90, 321, -20), SlotRange(330, None, -50))),
        (600, 4, (SlotRange(0, 0), SlotRange(5, None, -5))),
    ],
)
def test_tokens_are_read_as_transformers_reads_them_in_fp32(both, length, new, pieces):
    backbone, exact = both
    torch.manual_seed(2)
    cache = backbone.new_cache(length + new)
    if length:
        backbone.encode(some(length), cache, num_outputs=0)
    view, ids = AttentionView(cache.rotation, pieces), some(new)
    same = as_read(cache, view) if length else None
    cache.view = view if pieces != (SlotRange(0),) else None
    hidden = backbone.encode(ids, cache)
    with torch.no_grad():
        out = exact.model(
            torch.tensor([ids]), past_key_values=same, position_ids=torch.arange(length, length + new)[None]
        )
    assert close(hidden, out.last_hidden_state[0], 0.025)
    read = as_read(cache, view)
    for own, other, share in zip(read.layers, out.past_key_values.layers, BY_LAYER, strict=True):
        assert close(own.keys[:, :, -new:], other.keys[:, :, -new:], share)
        assert close(own.values[:, :, -new:], other.values[:, :, -new:], share)
    assert cache.length == length + new


def test_reading_in_other_chunks_gives_the_same_bits(both):
    backbone, _ = both
    torch.manual_seed(9)
    ids = some(300)
    whole, parts = backbone.new_cache(300), backbone.new_cache(300)
    backbone.encode(ids, whole, num_outputs=0)
    for start in range(0, 300, 37):
        backbone.encode(ids[start : start + 37], parts, num_outputs=0)
    for layer, other in zip(whole.editable, parts.editable, strict=True):
        assert torch.equal(layer.key_buffer, other.key_buffer)
        assert torch.equal(layer.value_buffer, other.value_buffer)


def test_blocks_are_shared_out_in_turns_and_evenly():
    long = [(0, start, start + 64, 0, 10, True) for start in range(0, 320, 64)]  # one more turn for the first part
    short = [(1, 0, 64, 10, 20, False), (2, 64, 128, 10, 20, False), (2, 128, 192, 10, 20, True)]
    blocks, starts = shared_out([long, short], 2)
    parts = [[tuple(block) for block in blocks[start:end]] for start, end in pairwise(starts)]
    assert parts == [[*long[::2], *short[1::2]], [*long[1::2], *short[::2]]]


@pytest.mark.parametrize("wanted", [0, 1, 3, 6, 13])
def test_fewer_hidden_states_are_the_same_and_so_are_the_states_kept(both, wanted):
    backbone, _ = both
    torch.manual_seed(3)
    past, ids = some(50), some(13)
    whole, part = backbone.new_cache(63), backbone.new_cache(63)
    for cache in (whole, part):
        backbone.encode(past, cache, num_outputs=0)
    hidden = backbone.encode(ids, whole)
    assert torch.equal(backbone.encode(ids, part, wanted), hidden[13 - wanted :])
    for layer, other in zip(whole.editable, part.editable, strict=True):
        assert torch.equal(layer.key_buffer, other.key_buffer)
        assert torch.equal(layer.value_buffer, other.value_buffer)


def test_tokens_are_rewritten_where_they_stand(both):
    """A pass over slots here and there, each seeing what is up to its own, as one token after the other."""
    backbone, _ = both
    torch.manual_seed(4)
    ids, slots = some(300), [*range(40, 60), 75, 76, 140, 290]
    again = some(len(slots))
    at_once, one_by_one = backbone.new_cache(300), backbone.new_cache(300)
    for cache in (at_once, one_by_one):
        backbone.encode(ids, cache, num_outputs=0)
    view = (SlotRange(0, 10, 15), SlotRange(25))
    backbone.forward([Segment(again, slots, view)], at_once, 0)
    for token, slot in zip(again, slots, strict=True):
        backbone.forward([Segment([token], [slot], view)], one_by_one, 0)
    for layer, other in zip(at_once.editable, one_by_one.editable, strict=True):
        assert close(layer.key_buffer, other.key_buffer, 0.01)
        assert close(layer.value_buffer, other.value_buffer, 0.01)
        kept = [slot for slot in range(300) if slot not in slots]
        assert torch.equal(layer.key_buffer[:, :, kept], other.key_buffer[:, :, kept])


@pytest.mark.parametrize(("rewritten", "asked"), [(20, 7), (24, 40), (1, 1), (65, 3)])
@pytest.mark.parametrize("erasing", [(True, True), (True, False), (False, True), (False, False)])
def test_parts_of_an_erase_and_a_question_in_one_pass_are_as_one_by_one(both, tmp_path, rewritten, asked, erasing):
    backbone, exact = both
    save_eraser(exact, tmp_path, PROJECTIONS, rank=12)
    backbone.load_eraser(tmp_path)
    torch.manual_seed(6)
    past, again, more, question = some(400), some(rewritten), some(30), some(asked)
    caches = [backbone.new_cache(440) for _ in range(3)]
    rotation = caches[0].rotation
    before, between = (SlotRange(0, 30, 10), SlotRange(40)), (SlotRange(0, 90, 60), SlotRange(150))
    behind = AttentionView(rotation, (SlotRange(0, 90), SlotRange(150, 160, -60), SlotRange(170, None, -70)))
    parts = [
        Segment(again, list(range(60, 60 + rewritten)), before, erasing[0]),
        Segment(more, [*range(151, 159), *range(300, 344, 2)], between, erasing[1]),
    ]
    for cache in caches:
        backbone.encode(past, cache, num_outputs=0)
        cache.view, cache.next_position = behind, 330
    at_once, in_two, one_by_one = caches
    hidden = [backbone.forward([*parts, Segment(question)], at_once, 1)]
    backbone.forward(parts, in_two, 0)
    hidden.append(backbone.encode(question, in_two, num_outputs=1))
    for part in parts:
        backbone.forward([part], one_by_one, 0)
    expected = backbone.encode(question, one_by_one, num_outputs=1)
    for cache, got in zip(caches, hidden, strict=False):
        assert close(got, expected, 0.02)  # threads may add up in another order, and bf16 round the other way
        assert cache.length == one_by_one.length == 400 + asked
        for layer, other in zip(cache.editable, one_by_one.editable, strict=True):
            assert close(layer.filled()[0], other.filled()[0], 0.001)
            assert close(layer.filled()[1], other.filled()[1], 0.001)


@pytest.mark.parametrize("projections", [PROJECTIONS, ["k_proj", "down_proj"]])
@pytest.mark.parametrize("rank", [4, 24])
def test_the_eraser_adds_what_peft_adds(both, tmp_path, projections, rank):
    backbone, exact = both
    wrapped = save_eraser(exact, tmp_path, projections, rank)
    backbone.load_eraser(tmp_path)
    ids = some(40)
    hidden = backbone.forward([Segment(ids, eraser=True)], backbone.new_cache(40), 40)
    plain = backbone.encode(ids, backbone.new_cache(40))
    with torch.no_grad():
        adapted = wrapped.model.model(torch.tensor([ids])).last_hidden_state[0]
        assert close(hidden, adapted, 0.02)
        with wrapped.disable_adapter():
            assert close(plain, wrapped.model.model(torch.tensor([ids])).last_hidden_state[0], 0.02)
    assert not close(hidden, plain, 0.05)


def test_the_model_itself_is_as_it_was(both):
    backbone, exact = both
    for name, weight in backbone.model.state_dict().items():
        assert torch.equal(weight.float(), exact.state_dict()[name])
    ids = torch.tensor([some(21)])
    with torch.no_grad():
        assert close(backbone.model(ids).logits, exact(ids).logits, 0.05)


def test_a_full_cache_says_so_and_keeps_what_it_has(both):
    backbone, _ = both
    cache = backbone.new_cache(5)
    backbone.encode(some(4), cache)
    with pytest.raises(CacheFull, match="room for 1 more tokens"):
        backbone.encode(some(2), cache)
    assert cache.length == 4


def test_a_cache_of_another_dtype_is_refused(both):
    backbone, _ = both
    cache = EditableCache.of(backbone.model, 8, torch.float32)
    with pytest.raises(EngineError, match="read keys and values in bf16, not in"):
        backbone.encode(some(4), cache)


@pytest.mark.parametrize(
    "changes",
    [{"hidden_act": "gelu"}, {"attention_bias": True}, {"head_dim": 18}, {"intermediate_size": 42}],
    ids=lambda changes: next(iter(changes)),
)
def test_other_models_are_read_by_operations(changes, tokenizer):
    config = LlamaConfig(**{**tiny_config("llama").to_dict(), "architectures": None, **changes})
    config._attn_implementation = NAME
    torch.manual_seed(7)
    assert isinstance(Backbone(LlamaForCausalLM(config).bfloat16(), tokenizer, "it").engine, TorchEngine)
    assert isinstance(Backbone(LlamaForCausalLM(config), tokenizer, "it").engine, TorchEngine)
