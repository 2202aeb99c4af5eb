"""From a GGUF file's metadata to the configuration of a transformers model.

transformers reads such metadata too, but leaves out scaled positions, biases and the size of a head.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, GenerationConfig, PretrainedConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from kveraser_core.model.gguf.errors import DamagedFile

ARCHITECTURES = ("llama", "qwen2", "qwen3", "smollm3")
"""Those of files that load. Mistral and SmolLM are `llama` there."""
_PARTIAL = ("attention.sliding_window", "expert_count", "attention.chunk_size")
_MULTIPLIERS = (
    "logit_scale",
    "residual_scale",
    "embedding_scale",
    "attention.scale",
    "rope.scaling.yarn_log_multiplier",
)
_LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
_ENDS = ("eos_token_id", "eot_token_id", "eom_token_id")


def read_config(
    metadata: dict[str, Any], tensors: Collection[str], frequencies: np.ndarray | None
) -> PretrainedConfig:
    """The configuration that the `metadata` of a file with these `tensors` describe. Raises `DamagedFile`.

    `frequencies`, `[head_dim / 2]`, are what the file divides those of RoPE by, if it has them.
    """
    kind = metadata.get("general.architecture")
    if kind not in ARCHITECTURES:
        raise DamagedFile(f"its architecture is {kind!r}, and {', '.join(ARCHITECTURES)} are supported")

    def said(name: str, default: Any = None) -> Any:
        value = metadata.get(f"{kind}.{name}", default)
        if value is None:
            raise DamagedFile(f"it does not say its {kind}.{name}")
        return value

    for name in (*_PARTIAL, *_MULTIPLIERS):
        if said(name, 0):
            raise DamagedFile(f"it sets {kind}.{name}, which is not supported")
    width, heads = said("embedding_length"), said("attention.head_count")
    if not all(isinstance(size, int) and size > 0 for size in (width, heads)):
        raise DamagedFile(f"it has {heads} heads in a width of {width}")
    dim = said("attention.key_length", said("rope.dimension_count", width // heads))
    if said("attention.value_length", dim) != dim or said("rope.dimension_count", dim) != dim:
        raise DamagedFile("its keys are not of one size with its values or the dimensions that RoPE turns")
    options: dict[str, Any] = {
        "hidden_size": width,
        "intermediate_size": said("feed_forward_length"),
        "num_hidden_layers": said("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": said("attention.head_count_kv", heads),
        "head_dim": dim,
        "rms_norm_eps": said("attention.layer_norm_rms_epsilon"),
        "max_position_embeddings": said("context_length"),
        "vocab_size": len(metadata["tokenizer.ggml.tokens"]),
        "tie_word_embeddings": "output.weight" not in tensors,
        "attention_bias": "blk.0.attn_output.bias" in tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in tensors,
        "rope_parameters": _rope(said, dim, frequencies),
        **{f"{name}_token_id": metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos")},
        "pad_token_id": metadata.get("tokenizer.ggml.padding_token_id"),
    }
    return AutoConfig.for_model(kind, **options)


def generation_config(metadata: dict[str, Any]) -> GenerationConfig:
    """Which tokens begin and end what the model writes."""
    ends = [metadata[key] for name in _ENDS if (key := f"tokenizer.ggml.{name}") in metadata]
    return GenerationConfig(
        bos_token_id=metadata.get("tokenizer.ggml.bos_token_id"),
        eos_token_id=list(dict.fromkeys(ends)) or None,
        pad_token_id=metadata.get("tokenizer.ggml.padding_token_id"),
    )


def _rope(said: Any, dim: int, frequencies: np.ndarray | None) -> dict[str, Any]:
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": said("rope.freq_base", 10000.0)}
    kind = said("rope.scaling.type", "none")
    if frequencies is not None:
        return rope | _llama3(rope["rope_theta"], dim, frequencies)
    if kind == "none":
        return rope
    if kind not in ("linear", "yarn"):
        raise DamagedFile(f"its positions are scaled by {kind!r}, and linear, yarn and llama3 are supported")
    rope |= {"rope_type": kind, "factor": said("rope.scaling.factor")}
    if kind == "yarn":
        rope["original_max_position_embeddings"] = said("rope.scaling.original_context_length")
    return rope


def _llama3(theta: float, dim: int, frequencies: np.ndarray) -> dict[str, Any]:
    """The scaling of Llama 3.1 and later, of which a file has only what frequencies are divided by."""
    scaled = {"rope_type": "llama3", "factor": float(frequencies.max()), **_LLAMA3}
    config = AutoConfig.for_model(
        "llama", head_dim=dim, rope_parameters={"rope_theta": theta, **scaled}, max_position_embeddings=2**17
    )
    made, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    plain = theta ** -(torch.arange(0, dim, 2).float() / dim)
    if not torch.allclose(made, plain / torch.from_numpy(frequencies.copy()), rtol=1e-3):
        raise DamagedFile("its rope_freqs.weight are not those of Llama 3.1 or later")
    return scaled
