"""The weights of a GGUF file under transformers' names, in its order of rows, unpacked."""

from collections.abc import Iterator

import numpy as np
import torch
from gguf import MODEL_ARCH_NAMES, GGMLQuantizationType, ReaderTensor, dequantize, get_tensor_name_map
from torch import Tensor
from transformers import AutoModelForCausalLM, PretrainedConfig

from kveraser_core.model.gguf.errors import DamagedFile

FREQUENCIES = "rope_freqs.weight"
_INTERLEAVED = ("llama", "smollm3")
"""Architectures whose files have the two halves of what RoPE turns row by row, where transformers has them apart."""
_ROWS = 4096
_DTYPES = {GGMLQuantizationType.F32: torch.float32, GGMLQuantizationType.F16: torch.float16}


def names(config: PretrainedConfig) -> dict[str, tuple[str, torch.Size]]:
    """The names of the weights in a file of a model of `config`, with transformers' names and shapes."""
    with torch.device("meta"):
        state = AutoModelForCausalLM.from_config(config).state_dict()
    kind = next(key for key, name in MODEL_ARCH_NAMES.items() if name == config.model_type)
    known = get_tensor_name_map(kind, config.num_hidden_layers)
    if config.tie_word_embeddings:
        del state["lm_head.weight"]
    found = {}
    for name, weight in state.items():
        path, _, leaf = name.rpartition(".")
        found[f"{known.get_name(path)}.{leaf}"] = name, weight.shape
    return found


def unpacked(tensors: list[ReaderTensor], config: PretrainedConfig) -> Iterator[tuple[str, Tensor]]:
    """All weights of a model of `config`, each with its name in transformers; in bf16 what has fewer bits.

    Raises `DamagedFile`.
    """
    wanted = names(config)
    held = {tensor.name: tensor for tensor in tensors if tensor.name != FREQUENCIES}
    if extra := sorted(held.keys() - wanted.keys()):
        raise DamagedFile(f"it holds {extra[0]}, which no {config.model_type} model has")
    for name, (path, shape) in wanted.items():
        if name not in held:
            raise DamagedFile(f"it lacks {name}")
        if (size := tuple(map(int, reversed(held[name].shape)))) != tuple(shape):
            sizes = (" x ".join(map(str, found)) for found in (size, shape))
            raise DamagedFile("its {} is {}, and {} by its metadata".format(name, *sizes))
        weight = _dequantized(held[name]).view(shape)
        if not weight.isfinite().all():
            raise DamagedFile(f"its {name} holds what is no number")
        yield path, in_order(weight, name, config)


def in_order(rows: Tensor, name: str, config: PretrainedConfig) -> Tensor:
    """The `rows` of the tensor `name`, `[out, ...]`, in the order in which transformers has them."""
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(name.split(".")[-2])
    if config.model_type not in _INTERLEAVED or heads is None:
        return rows
    return rows.view(heads, -1, 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)


def _dequantized(tensor: ReaderTensor) -> Tensor:
    """Some rows at a time: in fp32 the whole may be large."""
    data, dtype = np.atleast_2d(tensor.data), _DTYPES.get(tensor.tensor_type, torch.bfloat16)
    parts = []
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is no number is refused
            for start in range(0, len(data), _ROWS):
                rows = dequantize(data[start : start + _ROWS], tensor.tensor_type)
                parts.append(torch.from_numpy(rows.astype(np.float32)).to(dtype))
    except NotImplementedError as error:
        kind = GGMLQuantizationType(tensor.tensor_type).name
        raise DamagedFile(f"its {tensor.name} is quantised as {kind}, which cannot be unpacked") from error
    return torch.cat(parts)
