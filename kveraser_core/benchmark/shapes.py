"""Models of known shapes with random weights: what time and memory depend on, without a download.

Weights are made on the device in the dtype they are used in. So is an eraser, which changes nothing and takes its
time.
"""

from typing import Any

import torch
from peft import LoraConfig
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.integrations.gguf import read_gguf_metadata

from kveraser_core.engines import attention
from kveraser_core.engines.batch import PROJECTIONS
from kveraser_core.errors import KVEraserError
from kveraser_core.model.adapter_files import LOOKAHEAD
from kveraser_core.model.adapters import add_lora
from kveraser_core.model.backbone import Backbone, best_device, best_dtype
from kveraser_core.model.gguf.tokenizer import LISTS, read_tokenizer
from kveraser_core.model.loading import check_room
from kveraser_core.model.packaged import packaged_gguf

_COLUMNS = (
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "vocab_size",
    "tie_word_embeddings",
    "max_position_embeddings",
)
_SHAPES: dict[str, tuple[Any, ...]] = {
    "smollm2-135m": ("llama", 576, 1536, 30, 9, 3, 64, 49152, True, 8192),
    "smollm2-360m": ("llama", 960, 2560, 32, 15, 5, 64, 49152, True, 8192),
    "smollm2-1.7b": ("llama", 2048, 8192, 24, 32, 32, 64, 49152, True, 8192),
    "qwen2.5-0.5b": ("qwen2", 896, 4864, 24, 14, 2, 64, 151936, True, 32768),
    "qwen3-0.6b": ("qwen3", 1024, 3072, 28, 16, 8, 128, 151936, True, 40960),
    "qwen3-1.7b": ("qwen3", 2048, 6144, 28, 16, 8, 128, 151936, True, 40960),
    "qwen3-4b": ("qwen3", 2560, 9728, 36, 32, 8, 128, 151936, True, 40960),
    "qwen3-8b": ("qwen3", 4096, 12288, 36, 32, 8, 128, 151936, False, 40960),
    "llama-3.2-1b": ("llama", 2048, 8192, 16, 32, 8, 64, 128256, True, 131072),
    "llama-3.1-8b": ("llama", 4096, 14336, 32, 32, 8, 128, 128256, False, 131072),
}
SHAPES = {name: dict(zip(_COLUMNS, sizes, strict=True)) for name, sizes in _SHAPES.items()}
"""The configurations by name, of the models' own `config.json`."""
_RANK, _SCALE, _LOOKAHEAD = 16, 32, 32


class UnknownShape(KVEraserError):
    """A name that no shape has."""


def shaped(name: str, device: str | None, dtype: torch.dtype | None) -> Backbone:
    """A backbone of the shape `name` with the packaged model's tokenizer and an eraser for `kveraser_lookahead`.

    `device` and `dtype` are chosen as by `Backbone.load`. Raises `UnknownShape`, `UnsupportedModel` where there is no
    memory for it, and `NoPackagedModel`.
    """
    if name not in SHAPES:
        raise UnknownShape(f"There is no shape {name!r}: use one of {', '.join(SHAPES)}.")
    place = torch.device(device or best_device())
    dtype = dtype or best_dtype(place)
    config = AutoConfig.for_model(**SHAPES[name])
    config._attn_implementation = attention.NAME
    check_room(config, name, dtype, None)
    metadata, _ = read_gguf_metadata(str(packaged_gguf()), LISTS)
    torch.manual_seed(0)
    with place:
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    backbone = Backbone(model, read_tokenizer(metadata), f"{name}, random weights")
    backbone.engine.warm_up()
    layers = range(config.num_hidden_layers)
    paths = [f"layers.{layer}.{path}" for layer in layers for group in PROJECTIONS for path in group]
    plain = LoraConfig(r=_RANK, lora_alpha=_SCALE, lora_dropout=0.0, task_type="CAUSAL_LM")
    backbone.use_eraser(add_lora(model, plain, paths, "random weights", dtype, LOOKAHEAD, _LOOKAHEAD))
    return backbone


def random_ids(backbone: Backbone, count: int) -> list[int]:
    """Token ids of no text, none of them special: for a model of random weights they are as good as any."""
    special = set(backbone.tokenizer.all_special_ids)
    plain = torch.tensor([token for token in range(len(backbone.tokenizer)) if token not in special])
    return plain[torch.randint(len(plain), (count,), generator=torch.Generator().manual_seed(0))].tolist()
