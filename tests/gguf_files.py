"""GGUF files of tiny models, written as llama.cpp's converter writes them."""

import json

import numpy as np
import torch
from gguf import MODEL_ARCH_NAMES, GGMLQuantizationType, GGUFWriter, TokenType, dequantize, get_tensor_name_map
from gguf.quants import quantize
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

from kveraser_core.engines import attention
from tests.tiny import tiny_config

KINDS = {
    "llama": (LlamaConfig, "llama", {}),
    "llama-3": (
        LlamaConfig,
        "llama",
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 500000.0,
                "factor": 32.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192,
            }
        },
    ),
    "biased": (LlamaConfig, "llama", {"attention_bias": True, "mlp_bias": True}),
    "mistral": (MistralConfig, "llama", {"sliding_window": None}),
    "smollm2": (LlamaConfig, "llama", {"tie_word_embeddings": True, "num_attention_heads": 6, "hidden_size": 96}),
    "smollm3": (SmolLM3Config, "smollm3", {"num_hidden_layers": 4, "tie_word_embeddings": True}),
    "qwen2": (Qwen2Config, "qwen2", {}),
    "qwen3": (Qwen3Config, "qwen3", {"head_dim": 32}),
    "yarn": (
        Qwen3Config,
        "qwen3",
        {
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 10000.0,
                "factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        },
    ),
}


def tiny(kind, **changes):
    """A tiny random model in fp32, biases and norms included."""
    made, _, own = KINDS[kind]
    config = made(**{**tiny_config("llama").to_dict(), "model_type": made.model_type, **own, **changes})
    config._attn_implementation = attention.NAME
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
    for weight in model.parameters():
        if weight.ndim == 1:
            weight.add_(torch.randn_like(weight) * 0.1)
    return model


def write(path, model, tokenizer, kind, form="F32", head="Q8_0", pre="gpt-2", **changes):
    """Write `model` to `path`, its matrices in `form` and its embeddings in `head`; its weights become the file's.

    `changes` are metadata that are set after all others, by key; those that are `None` are left out.
    """
    config, (_, architecture, _) = model.config, KINDS[kind]
    writer = _Changed(path, architecture, changes)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if architecture == "qwen3":
        writer.add_key_length(dim)
        writer.add_value_length(dim)
    else:
        writer.add_rope_dimension_count(dim)
    if config.rope_parameters["rope_type"] == "yarn":
        writer.add_string(f"{architecture}.rope.scaling.type", "yarn")
        writer.add_rope_scaling_factor(config.rope_parameters["factor"])
        writer.add_rope_scaling_orig_ctx_len(config.rope_parameters["original_max_position_embeddings"])
    if config.rope_parameters["rope_type"] == "llama3":
        plain = config.rope_parameters["rope_theta"] ** -(torch.arange(0, dim, 2) / dim)
        writer.add_tensor("rope_freqs.weight", (plain / model.model.rotary_emb.inv_freq).float().numpy())
    add_tokenizer(writer, tokenizer, pre)
    names = get_tensor_name_map(
        next(key for key, name in MODEL_ARCH_NAMES.items() if name == architecture), config.num_hidden_layers
    )
    tied = config.tie_word_embeddings
    for name, weight in model.named_parameters():
        path_, _, leaf = name.rpartition(".")
        embedding = "embed_tokens" in name or "lm_head" in name
        own = "F32" if weight.ndim == 1 else head if embedding else form
        own = form if own == "Q8_0" and form in ("F32", "F16") else own
        raw, exact = _stored(weight.numpy(), getattr(GGMLQuantizationType, own))
        weight.copy_(torch.from_numpy(exact))
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(path_.split(".")[-1])
        if heads and architecture != "qwen2" and architecture != "qwen3":  # as convert_hf_to_gguf.py's permute
            raw = raw.reshape(heads, 2, len(raw) // heads // 2, *raw.shape[1:]).swapaxes(1, 2).reshape(raw.shape)
        writer.add_tensor(f"{names.get_name(path_)}.{leaf}", raw, raw_dtype=getattr(GGMLQuantizationType, own))
    assert tied == ("lm_head.weight" not in dict(model.named_parameters()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tokens_of(tokenizer, count=420):
    """The tokens in order, filled up to `count` as the converter does it."""
    tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    return tokens + [f"[PAD{number}]" for number in range(len(tokens), count)]


def merges_of(tokenizer):
    return [" ".join(pair) for pair in json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]]


def add_tokenizer(writer, tokenizer, pre):
    tokens = tokens_of(tokenizer)
    special = set(tokenizer.all_special_tokens) | {"<|endoftext|>"}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if token in special else TokenType.NORMAL for token in tokens])
    writer.add_token_merges(merges_of(tokenizer))
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_chat_template(tokenizer.chat_template)


def _stored(weight, form):
    """What a file holds of `weight`, and what that says, in fp32 but rounded to bf16 where it is of few bits."""
    raw = quantize(weight, form)
    exact = dequantize(raw, form).astype(np.float32)
    if form not in (GGMLQuantizationType.F32, GGMLQuantizationType.F16):
        exact = torch.from_numpy(exact).bfloat16().float().numpy()
    return raw, exact


class _Changed(GGUFWriter):
    def __init__(self, path, architecture, changes):
        self.changes = changes
        super().__init__(path, architecture)

    def write_header_to_file(self, path=None):
        for key, value in self.changes.items():
            found = next((data for data in self.kv_data if key in data), None)
            if found:
                del found[key]
            if isinstance(value, str):
                self.add_string(key, value)
            elif isinstance(value, float):
                self.add_float32(key, value)
            elif isinstance(value, bool):
                self.add_bool(key, value)
            elif isinstance(value, int):
                self.add_uint32(key, value)
            elif value is not None:
                self.add_array(key, value)
        super().write_header_to_file(path)
