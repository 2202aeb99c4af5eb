"""An adapter that loads, a backbone that must stay as it is, and what is expected of one that is refused."""

import json

import pytest
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file

from kveraser_core.model.adapter_files import CONFIG, WEIGHTS
from kveraser_core.model.adapters import AdapterError
from kveraser_core.model.backbone import Backbone
from tests.adapters.folders import same, state, write
from tests.tiny import PROJECTIONS, tiny_model


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """An adapter's configuration and weights, as PEFT writes them."""
    folder = tmp_path_factory.mktemp("good")
    config = LoraConfig(r=4, lora_alpha=8, target_modules=PROJECTIONS, task_type="CAUSAL_LM")
    get_peft_model(tiny_model("llama", "sdpa"), config).save_pretrained(folder)
    return json.loads((folder / CONFIG).read_text()), load_file(folder / WEIGHTS)


@pytest.fixture(scope="module")
def bystander(tokenizer):
    """A backbone with an eraser, which no refused adapter may change."""
    return Backbone(tiny_model("llama"), tokenizer, "tiny")


@pytest.fixture
def refused(bystander, good, tmp_path):
    """Loads an adapter with these settings, files and weights, and returns why it was refused."""
    config, weights = good
    if bystander.eraser is None:
        first = tmp_path / "first"
        write(first, config, weights)
        bystander.load_eraser(first)
    earlier = bystander.eraser

    def load(settings=None, changed=None, files=None):
        folder = tmp_path / "bad"
        write(folder, config | (settings or {}), weights | (changed or {}))
        for name, content in (files or {}).items():
            (folder / name).write_bytes(content)
        before = state(bystander.model)
        with pytest.raises(AdapterError) as caught:
            bystander.load_eraser(folder)
        assert same(before, state(bystander.model))
        assert bystander.eraser is earlier
        assert not hasattr(bystander.model.get_decoder(), "peft_config")
        said = str(caught.value)
        assert said.endswith(".")
        assert "\n" not in said
        return said

    return load
