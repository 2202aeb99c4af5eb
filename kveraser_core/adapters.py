"""An eraser: a LoRA adapter in PEFT format, switched on for one pass of an erase and off again.

While it is off the backbone holds its own modules, untouched: prefill and generation pay nothing for it.
A `steering.json` beside the weights may say that it was trained with lookahead; PEFT leaves that file alone.
Weights are read from safetensors only.
Adapters saved by PEFT from AutoModel and from AutoModelForCausalLM name the same weights with different
prefixes; both load.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import NamedTuple

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from peft import LoraConfig, PeftConfig, inject_adapter_in_model
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from kveraser_core.errors import KVEraserError

_WEIGHTS = "adapter_model.safetensors"
_STEERING = "steering.json"
_LOOKAHEAD = "lookahead"
_ADAPTER = "eraser"
_KEY = re.compile(r"^(?:base_model\.)?(?:model\.)*(layers\.\d+\..+?)\.(lora_[AB])\.(?:\w+\.)?weight$")


class AdapterError(KVEraserError):
    """An adapter that cannot be read, or that was made for another backbone."""


class _Switch(NamedTuple):
    """A module that an eraser changes: where it hangs, and what hangs there with the eraser off and on."""

    path: str
    parent: nn.Module
    name: str
    plain: nn.Module
    adapted: nn.Module


class Adapter:
    """One eraser on one backbone.

    `weights` are its LoRA weights by module path below the decoder and `lora_A` or `lora_B`:
    `[rank, in]` and `[out, rank]`. `lookahead` is how many tokens behind a span it is run over at most;
    `None` for an eraser that is run over the span's own tokens, as in the paper.
    """

    def __init__(self, source: str, config: LoraConfig, switches: list[_Switch], lookahead: int | None) -> None:
        self.source = source
        self.config = config
        self.lookahead = lookahead
        self._switches = switches
        self.weights: dict[tuple[str, str], nn.Parameter] = {
            (switch.path, which): getattr(switch.adapted, which)[_ADAPTER].weight
            for switch in switches
            for which in ("lora_A", "lora_B")
        }

    def low_rank(self, path: str) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """What is added to the product of module `path`: `[rank, in]`, and `[out, rank]` with the scale in it."""
        for switch in self._switches:
            if switch.path == path:
                scale = switch.adapted.scaling[_ADAPTER]  # type: ignore[index]
                return self.weights[path, "lora_A"].detach(), scale * self.weights[path, "lora_B"].detach()
        return None, None

    @contextmanager
    def active(self) -> Iterator[None]:
        """The backbone with the eraser on, for passes over a span inside this block only."""
        for switch in self._switches:
            setattr(switch.parent, switch.name, switch.adapted)
        try:
            yield
        finally:
            for switch in self._switches:
                setattr(switch.parent, switch.name, switch.plain)

    def save(self, folder: Path) -> None:
        """Write the adapter as PEFT does for a causal language model, its weights in bf16."""
        config = copy(self.config)
        config.target_modules = sorted({switch.name for switch in self._switches})
        config.inference_mode = True
        config.save_pretrained(str(folder))
        tensors = {
            f"base_model.model.model.{path}.{which}.weight": weight.detach().bfloat16().contiguous().cpu()
            for (path, which), weight in self.weights.items()
        }
        save_file(tensors, folder / _WEIGHTS, metadata={"format": "pt"})
        if self.lookahead is not None:
            (folder / _STEERING).write_text(json.dumps({_LOOKAHEAD: self.lookahead}) + "\n")


def load_adapter(model: PreTrainedModel, source: str | Path, dtype: torch.dtype | None = None) -> Adapter:
    """Load the adapter in the folder, or at the hub id, `source` onto `model`, switched off.

    The weights are kept in `dtype`, by default the model's. Raises `AdapterError`.
    """
    folder = _folder(source)
    try:
        config = PeftConfig.from_pretrained(str(folder))
        tensors = load_file(folder / _WEIGHTS)
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise AdapterError(
            f"{source} is not an eraser: it needs an adapter_config.json and {_WEIGHTS} as PEFT saves them."
        ) from error
    if not isinstance(config, LoraConfig):
        raise AdapterError(f"{source} is a {config.peft_type} adapter: an eraser is a LoRA adapter.")
    weights = {_name(key, source): tensor for key, tensor in tensors.items()}
    _check_shapes(model, weights, source)
    paths = sorted({path for path, _ in weights})
    adapter = add_lora(model, config, paths, str(source), dtype, _lookahead(folder, source))
    for key, weight in adapter.weights.items():
        if key not in weights or weights[key].shape != weight.shape:
            raise AdapterError(f"{source} is damaged: {key[0]} has no {key[1]} of rank {config.r}.")
        weight.data.copy_(weights[key])
    return adapter


def add_lora(
    model: PreTrainedModel,
    config: LoraConfig,
    paths: list[str],
    source: str,
    dtype: torch.dtype | None = None,
    lookahead: int | None = None,
) -> Adapter:
    """A new LoRA adapter on the modules `paths` below the model's decoder, switched off.

    Its weights are those that PEFT starts with, in `dtype`, by default the model's.
    """
    decoder = model.get_decoder()
    plain = {path: decoder.get_submodule(path) for path in paths}
    config.target_modules = paths
    config.inference_mode = False
    inject_adapter_in_model(config, decoder, _ADAPTER)
    del decoder.peft_config
    switches = []
    for path in paths:
        parent, _, name = path.rpartition(".")
        holder = decoder.get_submodule(parent)
        switches.append(_Switch(path, holder, name, plain[path], decoder.get_submodule(path)))
        setattr(holder, name, plain[path])
    adapter = Adapter(source, config, switches, lookahead)
    for weight in adapter.weights.values():
        weight.data = weight.data.to(dtype or model.dtype)
        weight.requires_grad_(False)
    return adapter


def _folder(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    try:
        return Path(snapshot_download(str(source), allow_patterns=["adapter_config.json", _WEIGHTS, _STEERING]))
    except (HFValidationError, OSError) as error:
        raise AdapterError(
            f"There is no eraser {source}: give a folder or a hub id that can be reached from here."
        ) from error


def _lookahead(folder: Path, source: str | Path) -> int | None:
    if not (folder / _STEERING).exists():
        return None
    try:
        lookahead = json.loads((folder / _STEERING).read_text())[_LOOKAHEAD]
    except (OSError, ValueError, TypeError, KeyError):
        lookahead = None
    if not isinstance(lookahead, int) or lookahead < 1:
        raise AdapterError(f"{source} is damaged: its {_STEERING} does not say how many tokens it looks ahead.")
    return lookahead


def _name(key: str, source: str | Path) -> tuple[str, str]:
    match = _KEY.match(key)
    if not match:
        raise AdapterError(f"{source} holds {key}: an eraser has LoRA weights of decoder layers and nothing else.")
    return match[1], match[2]


def _check_shapes(model: PreTrainedModel, weights: dict[tuple[str, str], Tensor], source: str | Path) -> None:
    modules = dict(model.get_decoder().named_modules())
    for (path, which), tensor in weights.items():
        module = modules.get(path)
        if not isinstance(module, nn.Linear):
            raise AdapterError(f"{source} does not fit this model: it has no {path}.")
        axis, wanted = (1, module.in_features) if which == "lora_A" else (0, module.out_features)
        if tensor.ndim != 2 or tensor.shape[axis] != wanted:
            raise AdapterError(
                f"{source} does not fit this model: {path} is {module.out_features} x {module.in_features}, "
                f"the adapter's {which} there is {' x '.join(map(str, tensor.shape))}."
            )
