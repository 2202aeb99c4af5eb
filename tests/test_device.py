"""The torch engine gives the same on every device: `KVERASER_TEST_DEVICE=cuda` runs this on a GPU."""

import os
from pathlib import Path

import pytest
import torch

from kveraser_core.cache.rotation import KeyRotation
from kveraser_core.cache.view import AttentionView, SlotRange
from kveraser_core.documents import Document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.engines import attention_parts
from kveraser_core.engines.attention import causal_attention, view_attention
from kveraser_core.engines.engine import VARIABLE
from kveraser_core.methods import usable
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Sampling, agreement, answer_logits
from kveraser_core.sessions.session import DocumentSession
from tests.gguf_files import tiny
from tests.test_attention import reference
from tests.tiny import TEXT

DEVICE = os.environ.get("KVERASER_TEST_DEVICE", "cpu")
OLD = "An old rule said that the toll is fourteen silver coins for every mast."
SIZES = {"hidden_size": 128, "head_dim": 64, "num_attention_heads": 4}  # heads that flash kernels take
SHARE = {torch.float32: 1e-3, torch.bfloat16: 0.03}


@pytest.fixture(autouse=True)
def torch_engine(monkeypatch):
    monkeypatch.setenv(VARIABLE, "torch")


def placed(model, place, dtype):
    """`model` with its weights in `dtype`, and not the frequencies of its positions."""
    for weight in model.parameters():
        weight.data = weight.data.to(dtype)
    return model.to(place)


def close(found, exact, share):
    found, exact = found.double().cpu(), exact.double().cpu()
    return (found - exact).norm() < share * exact.norm()


@pytest.mark.parametrize("dtype", SHARE, ids=str)
@pytest.mark.parametrize("flash", [True, False])
@pytest.mark.parametrize(("new", "length"), [(1, 1), (1, 700), (30, 700), (300, 300)])
def test_attention_without_a_view(dtype, flash, new, length, monkeypatch):
    if not flash:
        monkeypatch.setattr(attention_parts, "has_flash_kernel", lambda *states: False)
    torch.manual_seed(0)
    query = torch.randn(1, 4, new, 64).to(DEVICE, dtype)
    key, value = torch.randn(2, 1, 2, length + 9, 64).to(DEVICE, dtype)[:, :, :, :length]
    exact = reference(*(states.float().cpu() for states in (query, key, value)), 0.125)
    assert close(causal_attention(query, key, value, 0.125), exact, SHARE[dtype])


@pytest.mark.parametrize("dtype", SHARE, ids=str)
@pytest.mark.parametrize("queries", [None, [40, 55, 90, 170, 171]], ids=["appended", "overwritten"])
@pytest.mark.parametrize("new", [1, 5])
def test_attention_by_a_view(dtype, queries, new):
    """Beside the same over copied and rotated keys, in fp32 on the CPU."""
    torch.manual_seed(0)
    rotation = KeyRotation(torch.logspace(0, -3, 32), [True])
    slots = None if queries is None else torch.tensor(queries[-new:])
    ranges = (SlotRange(0, 30, 7), SlotRange(35, 39), SlotRange(40, shift=-4))
    query = torch.randn(1, 4, new, 64)
    key, value = torch.randn(2, 1, 2, 200, 64)
    query, key, value = (states.to(DEVICE, dtype) for states in (query, key, value))
    found = view_attention(query, key, value, 0.125, AttentionView(rotation, ranges, slots), 0)
    alone = [states.float().cpu() for states in (query, key, value)]
    alone[0].requires_grad_()  # by one masked attention
    exact = view_attention(*alone, 0.125, AttentionView(rotation, ranges, slots), 0).detach()
    assert close(found, exact, SHARE[dtype])


@pytest.mark.parametrize("dtype", SHARE, ids=str)
@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "smollm3"])
def test_a_forward_pass_is_that_of_transformers(dtype, kind, tokenizer):
    exact = placed(placed(tiny(kind, **SIZES), "cpu", dtype), "cpu", torch.float32)
    backbone = Backbone(placed(tiny(kind, **SIZES), DEVICE, dtype), tokenizer, "tiny")
    ids = torch.randint(0, 420, (1, 90), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = exact(ids).logits[0]
    cache = backbone.new_cache(90)
    parts = [
        backbone.encode(part, cache) for part in (ids[0, :60].tolist(), ids[0, 60:89].tolist(), ids[0, 89:].tolist())
    ]
    assert close(backbone.logits(torch.cat(parts)), wanted, 3 * SHARE[dtype])


@pytest.mark.parametrize("trained_for", ["kveraser", "kveraser_lookahead"])
@pytest.mark.parametrize("dtype", SHARE, ids=str)
def test_every_method_gives_what_it_gives_on_the_cpu_in_fp32(dtype, trained_for, tokenizer, save_adapter):
    folder = save_adapter(**SIZES)
    if trained_for == "kveraser_lookahead":
        (folder / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 6}')
    found = {}
    for place, kind in ((DEVICE, dtype), ("cpu", torch.float32)):
        model = placed(placed(tiny("llama", **SIZES), "cpu", dtype), place, kind)
        backbone = Backbone(model, tokenizer, "tiny")
        backbone.load_eraser(folder)
        session = DocumentSession.load(backbone, Document(TEXT, "a"))
        before = session._context.cache.slots(0, session.tokens)
        found[place, kind] = _by_method(session, usable(backbone))
        session.restore_all()
        after = session._context.cache.slots(0, session.tokens)
        assert all(map(torch.equal, (*before.keys, *before.values), (*after.keys, *after.values)))
    exact = found["cpu", torch.float32]
    assert len(exact) >= 6
    for method, logits in found[DEVICE, dtype].items():
        assert close(logits, exact[method], 3 * SHARE[dtype]), method


def _by_method(session, methods):
    """The logits of a question and an answer after an erase, by method."""
    session.mark(find_text(session.document.text, OLD))
    found = {}
    for method in methods:
        session.ask("Who?", method, sampling=Sampling(max_tokens=2))
        ids = session.question_ids("Who?")
        found[method] = answer_logits(session.backbone, session._active.edited.cache, ids, [5, 6, 7])
    return found


@pytest.mark.packaged
@pytest.mark.skipif(DEVICE == "cpu", reason="the CPU is what it is compared with")
def test_so_does_every_method_of_the_packaged_model():
    text = (Path(__file__).parents[1] / "assets" / "samples" / "agent-log.txt").read_text(encoding="utf-8")[:3000]
    line = text.split("\n")[3]
    logits = {}
    for place in (DEVICE, "cpu"):
        backbone = Backbone.load(device=place, dtype=None if place == DEVICE else torch.float32)
        session = DocumentSession.load(backbone, Document(text, "a"))
        session.mark(find_text(text, line))
        logits[place] = {}
        for method in usable(backbone):
            session.ask("What was done?", method, sampling=Sampling(max_tokens=2))
            cache = session._active.edited.cache if session._active else session._context.cache
            ids = session.question_ids("What was done?")
            logits[place][method] = answer_logits(backbone, cache, ids, ids[-8:]).float().cpu()
    for method, exact in logits["cpu"].items():
        same, kl = agreement(exact, logits[DEVICE][method])
        print(f"{method}: KL {kl:.5f}, top-1 {same:.2f}")
        assert kl < 0.02, method
