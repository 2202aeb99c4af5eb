"""An eraser: a LoRA adapter in PEFT format, switched on for one pass of an erase and off again.

While it is off the backbone holds its own modules, untouched: prefill and generation pay nothing for it.
Adapters saved by PEFT from AutoModel and from AutoModelForCausalLM name the same weights with different
prefixes; both load.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import NamedTuple

import torch
from huggingface_hub import snapshot_download
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from kveraser_core.model.adapter_files import (
    CONFIG,
    PUBLISHED,
    SELECTOR,
    STEERING,
    WEIGHTS,
    AdapterError,
    read_selector,
    read_settings,
    read_steering,
    read_weights,
    write_steering,
)

_ADAPTER = "eraser"


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
    `[rank, in]` and `[out, rank]`. It was trained for the erase method `method`; `lookahead` is how many tokens
    after a span it is run over at most, `None` for one that is run over the span's own tokens, as in the paper.
    """

    def __init__(
        self, source: str, config: LoraConfig, switches: list[_Switch], method: str, lookahead: int | None
    ) -> None:
        self.source = source
        self.config = config
        self.method, self.lookahead = method, lookahead
        self.selector: dict[str, float] | None = None
        """The weights of what tells of staleness, where they were fitted with this eraser."""
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
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
        write_steering(folder, self.method, self.lookahead)


def load_adapter(model: PreTrainedModel, source: str | Path, dtype: torch.dtype | None = None) -> Adapter:
    """Load the adapter in the folder, or at the hub id, `source` onto `model`, switched off.

    The weights are kept in `dtype`, by default the model's. Raises `AdapterError`, and the model is as it was.
    """
    folder = _folder(source)
    dtype = dtype or model.dtype
    config = read_settings(folder, source)
    modules = dict(model.get_decoder().named_modules())
    weights = read_weights(folder, source, config, modules, {dtype, model.dtype})
    method, lookahead = read_steering(folder, source)
    adapter = add_lora(model, config, sorted({path for path, _ in weights}), str(source), dtype, method, lookahead)
    adapter.selector = read_selector(folder, source)
    for key, weight in adapter.weights.items():
        weight.data.copy_(weights[key])
    return adapter


def add_lora(
    model: PreTrainedModel,
    config: LoraConfig,
    paths: list[str],
    source: str,
    dtype: torch.dtype | None = None,
    method: str = PUBLISHED,
    lookahead: int | None = None,
) -> Adapter:
    """A new LoRA adapter on the modules `paths` below the model's decoder, switched off.

    Its weights are those that PEFT starts with, in `dtype`, by default the model's. PEFT wraps the modules in a
    tree that holds nothing else, so the model stays as it is whatever happens.
    """
    decoder = model.get_decoder()
    plain = {path: decoder.get_submodule(path) for path in paths}
    trained = [(weight, weight.requires_grad) for module in plain.values() for weight in module.parameters()]
    config.target_modules = paths
    config.inference_mode = False
    tree = _tree(plain)
    try:
        inject_adapter_in_model(config, tree, _ADAPTER)
    finally:
        for weight, was_trained in trained:
            weight.requires_grad_(was_trained)
    switches = []
    for path in paths:
        parent, _, name = path.rpartition(".")
        switches.append(_Switch(path, decoder.get_submodule(parent), name, plain[path], tree.get_submodule(path)))
    adapter = Adapter(source, config, switches, method, lookahead)
    for weight in adapter.weights.values():
        weight.data = weight.data.to(dtype or model.dtype)
        weight.requires_grad_(False)
    return adapter


def _tree(modules: dict[str, nn.Module]) -> nn.Module:
    """`modules` at their paths below a module of ours."""
    tree = nn.Module()
    for path, module in modules.items():
        holder = tree
        *parents, name = path.split(".")
        for parent in parents:
            if not hasattr(holder, parent):
                holder.add_module(parent, nn.Module())
            holder = holder.get_submodule(parent)
        holder.add_module(name, module)
    return tree


def _folder(source: str | Path) -> Path:
    try:
        path = Path(source).expanduser()
        if path.is_dir():
            return path
        return Path(snapshot_download(str(source), allow_patterns=[CONFIG, WEIGHTS, STEERING, SELECTOR]))
    except Exception as error:  # of the home folder, the name, the network or the disk
        raise AdapterError(
            f"There is no eraser {source}: give a folder or a hub id that can be reached from here."
        ) from error
