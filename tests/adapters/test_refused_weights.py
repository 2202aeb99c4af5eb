"""Adapters with weights that cannot be used: a refused one leaves the model as it was."""

import os
import struct

import pytest
import torch
from peft import inject_adapter_in_model

from kveraser_core.model import adapters
from kveraser_core.model.adapter_files import CONFIG, STEERING, WEIGHTS
from kveraser_core.model.adapters import AdapterError, load_adapter
from tests.adapters.folders import same, state, write
from tests.tiny import tiny_model

KEY = "base_model.model.model.layers.1.self_attn.q_proj.lora_{}.weight"


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
