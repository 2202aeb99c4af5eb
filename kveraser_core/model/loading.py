"""A model and its tokenizer, from a folder or the hub: what is damaged, does not fit or is not supported is named.

The libraries that read these files raise what they meet, of any class; here it becomes one sentence. No code that
comes with a model is run, and no pickle is read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig, PreTrainedModel
from transformers.cache_utils import get_layer_types_and_kwargs
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from kveraser_core.engines import attention
from kveraser_core.errors import KVEraserError

SUPPORTED = ("llama", "mistral", "qwen2", "qwen3", "smollm3")
_SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
)
_MOST_LAYERS = 1000
_MARK = "\x02MESSAGE\x03"


class UnsupportedModel(KVEraserError):
    """A model that is not there or whose cache cannot be edited."""


@contextmanager
def loading(name: str, part: str) -> Iterator[None]:
    """Whatever goes wrong inside becomes `UnsupportedModel`, which says that it was with `part`."""
    try:
        yield
    except KVEraserError:
        raise
    except Exception as error:
        raise UnsupportedModel(
            f"The model {name} could not be loaded, for {part} ({one_line(error)}): give the folder of a "
            "transformers model with safetensors weights, or a hub id that can be reached from here."
        ) from error


def load_files(
    path: str, name: str, place: torch.device, dtype: torch.dtype, local: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model, called `name`, at `path` with its tokenizer, its weights at `place` in `dtype`.

    Only files of this machine are looked at where it is `local`. Raises `UnsupportedModel`.
    """
    with loading(name, "its config.json cannot be used"):
        config = AutoConfig.from_pretrained(path, local_files_only=local, trust_remote_code=False)
        check_supported(config, name)
        _check_sizes(config)
    with loading(name, "its config.json and its weights do not fit each other"):
        check_room(config, name, dtype, Path(path) if local else None)
    with loading(name, "its tokenizer cannot be read"):
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=local, trust_remote_code=False)
        added = tokenizer.added_tokens_decoder
        highest = max((token for token in tokenizer.get_vocab().values() if token not in added), default=-1)
        if not 0 <= highest < config.vocab_size:
            raise ValueError(f"its last token is {highest}, the model's {config.vocab_size - 1}")
    with loading(name, "its chat template cannot be used"):
        _check_template(tokenizer)
    with loading(name, "its weights cannot be read"):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path,
            config=config,
            dtype=dtype,
            attn_implementation=attention.NAME,
            device_map="sequential" if place.type == "cuda" and place.index is None else {"": place},
            local_files_only=local,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # refused below, by name
            output_loading_info=True,
        )
        model, found = loaded
        for key, held, wanted in sorted(found["mismatched_keys"]):
            raise ValueError(f"{key} is {_size(held)}, by its config.json {_size(wanted)}")
        for key in sorted(found["missing_keys"]):
            raise ValueError(f"{key} is not among them")
    return model, tokenizer


def check_supported(config: PretrainedConfig, name: str) -> None:
    """Raise `UnsupportedModel` unless every layer keeps the whole context under a fixed RoPE."""
    kind = config.model_type
    if kind not in SUPPORTED:
        raise UnsupportedModel(
            f"{name} is a {kind} model, which is not supported: "
            f"use a {', '.join(SUPPORTED[:-1])} or {SUPPORTED[-1]} model."
        )
    if config.num_hidden_layers > _MOST_LAYERS:  # each of them is looked at
        raise UnsupportedModel(
            f"{name} has {config.num_hidden_layers:,} layers, which no {kind} model has: use another."
        )
    types, _ = get_layer_types_and_kwargs(config)
    partial = sorted(set(types) - {"full_attention"})
    if partial:
        raise UnsupportedModel(
            f"{name} ({kind}) has {partial[0]} layers, which do not keep the whole context: use a model without them."
        )
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if rope == "longrope":
        raise UnsupportedModel(
            f"{name} ({kind}) has {rope} positions, which change with the length of the context: use another model."
        )


def _check_sizes(config: PretrainedConfig) -> None:
    for key in _SIZES:
        size = getattr(config, key)
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"its {key} is {size}")
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    if heads % kv_heads:
        raise ValueError(f"{heads} attention heads cannot share {kv_heads} keys and values")


def check_room(config: PretrainedConfig, name: str, dtype: torch.dtype, folder: Path | None) -> None:
    """Raise before memory is taken for more weights than the folder's files, or this machine, can hold."""
    width, heads = config.hidden_size, config.num_attention_heads
    dim = getattr(config, "head_dim", None) or width // heads
    layer = 2 * width * dim * (heads + config.num_key_value_heads) + 3 * width * config.intermediate_size
    embeddings = config.vocab_size * width * (1 if config.tie_word_embeddings else 2)
    weights = config.num_hidden_layers * layer + embeddings
    held = sum(path.stat().st_size for path in folder.glob("*.safetensors")) if folder else 0
    if held and weights > 2 * held:  # at four bits a weight, the fewest that there are
        raise ValueError(f"by the one there are {weights:,} weights, the others have {held:,} bytes")
    needed, there = weights * dtype.itemsize, _memory()
    if needed > there:
        raise UnsupportedModel(
            f"{name} needs {needed / 2**30:,.1f} GB of memory and this machine has {there / 2**30:,.1f} GB: "
            "use a smaller model."
        )


def _memory() -> int:
    """Bytes of memory that this machine has, with its accelerators'."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    accelerators = sum(torch.cuda.get_device_properties(device).total_memory for device in devices)
    return psutil.virtual_memory().total + accelerators


def _check_template(tokenizer: PreTrainedTokenizerBase) -> None:
    if tokenizer.chat_template is None:
        return
    message = [{"role": "user", "content": _MARK}]
    if _MARK not in str(tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)):
        raise ValueError("it leaves out what the user says")


def _size(shape: torch.Size) -> str:
    return " x ".join(map(str, shape))


def one_line(error: Exception) -> str:
    """What `error` says, on one line of at most 160 characters and without its full stop."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.rstrip(".") if len(text) <= 160 else f"{text[:159]}…"
