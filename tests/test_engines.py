"""The choice of an engine, and that engines agree and leave the model alone."""

import pytest
import torch

from kveraser_core.documents import Document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.engines.engine import VARIABLE, EngineError, choose_engine
from kveraser_core.methods import usable
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Sampling
from kveraser_core.sessions.session import DocumentSession
from tests.poison import ENGINES, model_for
from tests.test_row_pass import SIZES
from tests.tiny import TEXT, tiny_model

OLD = "An old rule said that the toll is fourteen silver coins for every mast."
SHORT = Sampling(max_tokens=8)


def ahead(folder):
    (folder / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 6}')
    return folder


@pytest.mark.parametrize("engine", ENGINES)
def test_the_variable_forces_an_engine(engine, monkeypatch):
    monkeypatch.setenv(VARIABLE, engine)
    assert choose_engine(model_for("cpu").requires_grad_(False)).name == engine


def test_without_it_the_kernels_run_what_they_know(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert choose_engine(model_for("cpu").requires_grad_(False)).name == "cpu"
    assert choose_engine(tiny_model("llama")).name == "torch"


@pytest.mark.parametrize(
    ("value", "said"), [("gpu", "no engine 'gpu'"), ("cpu", "kernels cannot run this model on cpu: unset")]
)
def test_what_cannot_be_forced_is_refused(value, said, monkeypatch):
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(EngineError, match=said):
        choose_engine(tiny_model("llama"))


def test_without_the_compiler_the_torch_engine_runs(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("kveraser_core.engines.engine.find_spec", lambda name: None)
    assert choose_engine(model_for("cpu").requires_grad_(False)).name == "torch"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_callers_model_is_left_as_it_was(engine, tokenizer, save_adapter, tmp_path):
    model = model_for(engine)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    kinds = [(name, type(module)) for name, module in model.named_modules()]
    model.save_pretrained(tmp_path / "before")
    backbone = Backbone(model, tokenizer, "tiny")
    backbone.load_eraser(ahead(save_adapter(**(SIZES if engine == "cpu" else {}))))
    session = DocumentSession.load(backbone, Document(TEXT, "a"))
    session.erase(find_text(TEXT, OLD))
    session.ask("What is the toll?", sampling=SHORT)
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    assert [(name, type(module)) for name, module in model.named_modules()] == kinds
    model.save_pretrained(tmp_path / "after")
    files = [(tmp_path / when / "model.safetensors").read_bytes() for when in ("before", "after")]
    assert files[0] == files[1]


def test_two_backbones_share_a_model_each_with_its_own_eraser(tokenizer, save_adapter):
    model = tiny_model("llama")
    alone = Backbone(tiny_model("llama"), tokenizer, "tiny")
    first, second = Backbone(model, tokenizer, "a"), Backbone(model, tokenizer, "b")
    folder = ahead(save_adapter())
    for backbone in (alone, second):
        backbone.load_eraser(folder)
    sessions = [DocumentSession.load(backbone, Document(TEXT, "a")) for backbone in (alone, first, second)]
    for session in sessions:
        session.erase(find_text(TEXT, OLD), "mask")
    assert "kveraser_lookahead" not in usable(first)
    answers = [session.ask("Who?", "mask", sampling=SHORT).token_ids for session in sessions]
    assert answers[0] == answers[1] == answers[2]
    ahead_of = [session.ask("Who?", "kveraser_lookahead", sampling=SHORT) for session in (sessions[0], sessions[2])]
    assert ahead_of[0].token_ids == ahead_of[1].token_ids


@pytest.mark.skipif("cpu" not in ENGINES, reason="the torch engine is forced")
@pytest.mark.parametrize(
    ("trained_for", "new_text"),
    [("kveraser", ""), ("kveraser_lookahead", ""), ("kveraser_lookahead", f"{OLD} Twice.")],
)
def test_engines_agree_about_every_method(trained_for, new_text, tokenizer, save_adapter, monkeypatch):
    """In bf16, whose rounding they share only nearly: the logits of the first token."""
    folder = save_adapter(**SIZES)
    if trained_for == "kveraser_lookahead":
        ahead(folder)
    found: dict[str, dict[str, torch.Tensor]] = {}
    for engine in ENGINES:
        monkeypatch.setenv(VARIABLE, engine)
        backbone = Backbone(model_for("cpu"), tokenizer, "tiny")
        assert backbone.engine.name == engine
        backbone.load_eraser(folder)
        session = DocumentSession.load(backbone, Document(TEXT, "a"))
        session.mark(find_text(TEXT, OLD), new_text)
        found[engine] = {}
        for method in usable(backbone):
            if new_text and method == "mask":
                continue  # which takes no longer text
            session.ask("Who?", method, sampling=SHORT)
            cache, ids = session._active.edited.cache, session.question_ids("Who?")
            with cache.appending():
                hidden = [backbone.encode([token], cache) for token in ids]
                found[engine][method] = backbone.logits(hidden[-1])[0].double()
    assert len(found["torch"]) >= 6
    for method, logits in found["torch"].items():
        assert (logits - found["cpu"][method]).norm() < 0.03 * logits.norm(), method
