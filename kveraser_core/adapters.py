"""An eraser: a LoRA adapter in PEFT format, switched on for one pass over a span and off again.

While it is off the backbone holds its own modules, untouched: prefill and generation pay nothing for it.
Only safetensors are read. Adapters saved by PEFT from AutoModel and from AutoModelForCausalLM name the
same weights with different prefixes; both load.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from peft import LoraConfig, PeftConfig, inject_adapter_in_model
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from kveraser_core.errors import KVEraserError

_WEIGHTS = "adapter_model.safetensors"
_KEY = re.compile(r"^(?:base_model\.)?(?:model\.)*(layers\.\d+\..+?)\.(lora_[AB])\.(?:\w+\.)?weight$")


class AdapterError(KVEraserError):
    """An adapter that cannot be read, or that was made for another backbone."""


class Adapter:
    """One eraser on one backbone."""

    def __init__(self, source: str, switches: list[tuple[nn.Module, str, nn.Module, nn.Module]]) -> None:
        self.source = source
        self._switches = switches

    @contextmanager
    def active(self) -> Iterator[None]:
        """The backbone with the eraser on, for passes over a span inside this block only."""
        for parent, name, _, adapted in self._switches:
            setattr(parent, name, adapted)
        try:
            yield
        finally:
            for parent, name, plain, _ in self._switches:
                setattr(parent, name, plain)

    def parameters(self) -> list[nn.Parameter]:
        """The LoRA weights."""
        return [
            weight
            for _, _, _, adapted in self._switches
            for key, weight in adapted.named_parameters()
            if "lora_" in key
        ]


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
    decoder = model.get_decoder()
    modules = dict(decoder.named_modules())
    _check_shapes(modules, weights, source)
    paths = sorted({path for path, _ in weights})
    adapter = inject_lora(model, config, paths, str(source), dtype)
    loaded = decoder_state(adapter, paths)
    with torch.no_grad():
        for key, tensor in weights.items():
            loaded[key].copy_(tensor)
    return adapter


def inject_lora(
    model: PreTrainedModel,
    config: LoraConfig,
    paths: list[str],
    source: str,
    dtype: torch.dtype | None = None,
) -> Adapter:
    """A fresh LoRA adapter on the modules `paths` of the model's decoder, as `config` says, switched off."""
    decoder = model.get_decoder()
    plain = {path: decoder.get_submodule(path) for path in paths}
    config.target_modules = paths
    config.inference_mode = False
    inject_adapter_in_model(config, decoder, "eraser")
    switches = []
    for path in paths:
        parent, _, name = path.rpartition(".")
        adapted = decoder.get_submodule(path)
        for key, weight in adapted.named_parameters():
            if "lora_" in key:
                weight.data = weight.data.to(dtype or model.dtype)
                weight.requires_grad_(False)
        switches.append((decoder.get_submodule(parent), name, plain[path], adapted))
    adapter = Adapter(source, switches)
    with adapter.active():
        pass
    if hasattr(decoder, "peft_config"):
        del decoder.peft_config
    return adapter


def decoder_state(adapter: Adapter, paths: list[str]) -> dict[tuple[str, str], Tensor]:
    """The adapter's weights by (module path below the decoder, `lora_A` or `lora_B`)."""
    state = {}
    for path, (_, _, _, adapted) in zip(paths, adapter._switches, strict=True):
        for which in ("lora_A", "lora_B"):
            state[path, which] = getattr(adapted, which)["eraser"].weight
    return state


def _folder(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    try:
        return Path(snapshot_download(str(source), allow_patterns=["adapter_config.json", _WEIGHTS]))
    except (HFValidationError, OSError) as error:
        raise AdapterError(
            f"There is no eraser {source}: give a folder or a hub id that can be reached from here."
        ) from error


def _name(key: str, source: str | Path) -> tuple[str, str]:
    match = _KEY.match(key)
    if not match:
        raise AdapterError(
            f"{source} holds {key}: an eraser has LoRA weights of decoder layers and nothing else."
        )
    return match[1], match[2]


def _check_shapes(
    modules: dict[str, nn.Module], weights: dict[tuple[str, str], Tensor], source: str | Path
) -> None:
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
