"""What a decoded token costs besides attention itself does not grow with the context, whatever was erased."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span
from kveraser_core.engines.engine import VARIABLE
from kveraser_core.methods import usable
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.session import DocumentSession
from tests.tiny import tiny_model

SHORT, LONG = 1_000, 8_000
SIZES = {
    "max_position_embeddings": 10_000,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}


@pytest.fixture(params=["kveraser", "kveraser_lookahead"])
def backbone(request, tokenizer, save_adapter, monkeypatch):
    monkeypatch.setenv(VARIABLE, "torch")
    backbone = Backbone(tiny_model("llama", **SIZES), tokenizer, "tiny")
    folder = save_adapter(**SIZES)
    if request.param == "kveraser_lookahead":
        (folder / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 6}')
    backbone.load_eraser(folder)
    return backbone


def test_bytes_allocated_for_a_decoded_token_are_the_same_after_1_000_and_8_000(backbone):
    one_only = backbone.eraser.method == "kveraser"  # the others are measured with the other eraser
    methods = ["kveraser"] if one_only else usable(backbone)
    allocated = {tokens: _measured(backbone, tokens, methods) for tokens in (SHORT, LONG)}
    assert allocated[SHORT] == allocated[LONG]
    assert one_only or len(methods) >= 8


def _measured(backbone, tokens, methods):
    """Bytes that are allocated while a token is decoded after a context of `tokens`, by method."""
    session = DocumentSession.load(backbone, Document("7 " * (tokens // 2), "a"))
    assert session.tokens >= tokens
    found = {}
    for method in methods:
        session.erase([Span(40, 60)], method)
        cache = session._active.edited.cache
        with cache.appending():
            backbone.encode([5, 6], cache)
            found[method] = _allocated(backbone, cache)
        session.restore_all()
    return found


def _allocated(backbone, cache):
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        backbone.logits(backbone.encode([7], cache))
    return sum(max(event.cpu_memory_usage, 0) for event in profiler.events() if event.name != "[memory]")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_no_copy_of_the_keys_is_made_either(tokenizer):
    model = tiny_model("llama", head_dim=64, **SIZES).to("cuda", torch.bfloat16)
    backbone = Backbone(model, tokenizer, "tiny")
    peaks = []
    for tokens in (SHORT, LONG):
        session = DocumentSession.load(backbone, Document("7 " * (tokens // 2), "a"))
        session.erase([Span(40, 60)], "delete_shift")
        cache = session._active.edited.cache
        with cache.appending():
            backbone.encode([5], cache)
            torch.cuda.synchronize()
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            backbone.logits(backbone.encode([7], cache))
            peaks.append(torch.cuda.max_memory_allocated() - before)
        del session, cache
    keys = (LONG - SHORT) * 64 * 2
    assert peaks[1] - peaks[0] < keys / 4
