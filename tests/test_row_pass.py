import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import DynamicCache

from kveraser_core.cache.layer import CacheFull
from kveraser_core.cache.rotation import Turns
from kveraser_core.cache.view import AttentionView, SlotRange
from kveraser_core.engines.batch import PROJECTIONS
from kveraser_core.engines.cpu.engine import CpuEngine
from kveraser_core.engines.cpu.row_pass import RowPass
from kveraser_core.engines.engine import VARIABLE
from kveraser_core.model.backbone import Backbone
from tests.gguf_files import tiny
from tests.test_quantised import levelled, multiples
from tests.tiny import tiny_model

SIZES = {"intermediate_size": 128, "max_position_embeddings": 2048}


def quantised(model, dtype=torch.bfloat16, weights=levelled):
    """`model` in `dtype`, rounded to bf16, its layers' weights of four bits and its output embedding's of eight.

    The layers' `weights` are `levelled`, or `multiples`.
    """
    head = model.lm_head.weight
    head.data = multiples(*head.shape)
    for layer in model.model.layers:
        for name in (name for names in PROJECTIONS for name in names):
            weight = layer.get_submodule(name).weight
            weight.data = (4 if weights is levelled else 1) * weights(*weight.shape)
    for weight in model.parameters():  # and not the frequencies of positions, which stay in fp32
        weight.data = weight.data.bfloat16().to(dtype)
    return model


@pytest.fixture(params=[torch.bfloat16, torch.float32], ids=str)
def quick(tokenizer, monkeypatch, request):
    """A model of quantised weights and, of the same weights, one in fp32 that only transformers reads."""
    return both(tokenizer, monkeypatch, "llama", request.param, levelled)


@pytest.fixture(
    params=[
        ("qwen2", levelled),
        ("qwen3", multiples),
        ("biased", levelled),
        ("smollm3", levelled),
        ("yarn", multiples),
    ],
    ids=lambda param: param[0],
)
def other(tokenizer, monkeypatch, request):
    """The same of other architectures: with biases, norms of heads, layers without positions, scaled positions."""
    return both(tokenizer, monkeypatch, request.param[0], torch.float32, request.param[1])


def both(tokenizer, monkeypatch, kind, dtype, weights):
    monkeypatch.delenv(VARIABLE, raising=False)
    sizes = SIZES | ({"tie_word_embeddings": False} if kind == "smollm3" else {})
    model = quantised(tiny(kind, **sizes), dtype, weights)
    exact = tiny(kind, **sizes)
    exact.set_attn_implementation("sdpa")
    exact.load_state_dict({name: weight.float() for name, weight in model.state_dict().items()})
    return Backbone(model, tokenizer, "tiny"), exact


def as_read(cache, view):
    """A transformers cache of the slots that `view` reads, their keys moved to where they are read from."""
    own = DynamicCache()
    for number, layer in enumerate(cache.editable):
        parts = [(p, *(states[:, :, p.start : p.end].float() for states in layer.filled())) for p in view.ranges]
        keys = [view.rotation.shift(keys, number, piece.shift) for piece, keys, _ in parts]
        own.update(torch.cat(keys, dim=2), torch.cat([values for *_, values in parts], dim=2), number)
    return own


def close(actual, exact, share=0.005):
    return (actual.double() - exact.double()).norm() < share * exact.double().norm()


@pytest.mark.parametrize(
    ("length", "pieces"),
    [
        (1, (SlotRange(0),)),
        (255, (SlotRange(0),)),
        (256, (SlotRange(0),)),
        (700, (SlotRange(0),)),
        (600, (SlotRange(0, 40), SlotRange(140, None, -100))),
        (600, (SlotRange(0, 40, 60), SlotRange(140))),
        (600, (SlotRange(3, 40), SlotRange(90, 320, -20), SlotRange(330, None, -50))),
        (600, (SlotRange(0, 0), SlotRange(5, None, -5))),
    ],
)
def test_a_token_is_read_as_transformers_reads_it_in_fp32(quick, length, pieces):
    check(*quick, length, pieces)


def test_so_is_one_of_every_architecture(other):
    check(*other, 300, (SlotRange(3, 40), SlotRange(90, 280, -20), SlotRange(285, None, -50)))


def test_without_an_output_embedding_of_few_bits_the_layers_are_read_as_such(tokenizer, monkeypatch):
    backbone, exact = both(tokenizer, monkeypatch, "qwen3", torch.float32, levelled)
    torch.manual_seed(3)
    exact.lm_head.weight.data = torch.randn(420, 64).bfloat16().float()
    backbone.model.lm_head.weight.data = exact.lm_head.weight.data
    backbone = Backbone(backbone.model, tokenizer, "tiny")
    assert backbone.engine.rows is not None
    assert backbone.engine.head_bytes is None
    check(backbone, exact, 20, (SlotRange(0),))


def check(backbone, exact, length, pieces):
    torch.manual_seed(2)
    cache = backbone.new_cache(length + 2)
    backbone.encode(torch.randint(0, 420, (length,)).tolist(), cache, num_outputs=0)
    view = AttentionView(cache.rotation, pieces)
    same = as_read(cache, view)
    cache.view = view if pieces != (SlotRange(0),) else None
    assert isinstance(backbone.engine, CpuEngine)
    hidden = torch.cat([backbone.encode([token], cache, num_outputs=1) for token in (9, 11)])
    with torch.no_grad():
        states = exact.model(
            torch.tensor([[9, 11]]), past_key_values=same, position_ids=torch.tensor([[length, length + 1]])
        ).last_hidden_state[0]
        logits = exact.lm_head(states)
    assert close(hidden, states)
    assert close(backbone.logits(hidden[1:]), logits[1:])
    for layer, read, other in zip(cache.editable, as_read(cache, view).layers, same.layers, strict=True):
        assert layer.length == length + 2
        assert close(read.keys[:, :, -2:], other.keys[:, :, -2:])
        assert close(read.values[:, :, -2:], other.values[:, :, -2:])


def test_the_model_stays_as_it_was_and_the_cache_takes_two_bytes_a_number(quick):
    backbone, exact = quick
    before = {name: weight.clone() for name, weight in backbone.model.state_dict().items()}
    cache = backbone.new_cache(8)
    backbone.encode([5, 6, 7], cache, num_outputs=0)
    for token in (8, 9):
        backbone.logits(backbone.encode([token], cache, num_outputs=1))
    assert all(torch.equal(weight, before[name]) for name, weight in backbone.model.state_dict().items())
    config = exact.config
    numbers = 2 * 8 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    assert cache.memory_bytes == 2 * numbers


def test_a_full_cache_says_so_and_keeps_what_it_has(quick):
    backbone, _ = quick
    cache = backbone.new_cache(5)
    backbone.encode([5, 6, 7, 8], cache, num_outputs=0)
    backbone.encode([9], cache, num_outputs=1)
    with pytest.raises(CacheFull, match="room for 0 more tokens"):
        backbone.encode([10], cache, num_outputs=1)
    assert cache.length == 5


def test_caches_that_are_gone_are_not_kept(quick):
    backbone, _ = quick
    for _ in range(3):
        cache = backbone.new_cache(4)
        backbone.encode([5, 6, 7], cache, num_outputs=0)
        backbone.encode([8], cache, num_outputs=1)
        del cache
    assert len(backbone.engine.rows._buffers) <= 1


def test_it_leaves_the_number_of_threads_alone():
    program = (
        "import torch\n"
        "from tests.test_row_pass import SIZES, quantised, tiny_model\n"
        "from kveraser_core.cache.editable_cache import EditableCache\n"
        "from kveraser_core.cache.rotation import Turns\n"
        "from kveraser_core.engines.cpu.row_pass import RowPass\n"
        "model = quantised(tiny_model('llama', **SIZES)).requires_grad_(False)\n"
        "cache = EditableCache.of(model, 4)\n"
        "model(torch.tensor([[5]]), past_key_values=cache)\n"
        "RowPass.of(model, Turns.of(model))(7, cache)\n"
        "print(torch.get_num_threads())\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    out = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[1],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert out.stdout.split() == ["1"], out.stderr


def test_models_that_the_kernels_do_not_know_are_left_alone():
    def of(model):
        return RowPass.of(model, Turns.of(model))

    assert of(tiny_model("llama", **SIZES).bfloat16()) is None  # weights of any value
    assert of(quantised(tiny_model("llama", **SIZES), torch.float16)) is None
    assert of(quantised(tiny_model("llama", hidden_act="gelu", **SIZES))) is None
    mixed = quantised(tiny_model("llama", **SIZES))
    weight = mixed.model.layers[1].mlp.down_proj.weight
    weight.data = multiples(*weight.shape).bfloat16()
    assert of(mixed) is None
    assert of(quantised(tiny_model("llama", hidden_size=96, **SIZES))) is None  # groups that make no pairs
