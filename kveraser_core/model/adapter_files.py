"""What the folder of an eraser holds, read and checked before a model is touched.

`adapter_config.json` says rank and scale, `adapter_model.safetensors` holds the weights, both as PEFT writes
them, and `steering.json`, which PEFT leaves alone, says which method the eraser was trained for. Which
modules are adapted is told by the names of the weights alone. Of the configuration only a few keys are read,
some only describe the adapter, and every other must have the value that PEFT gives to a plain LoRA adapter:
what is added by a later PEFT and does something is refused by its name. Pickles are never read.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors import safe_open
from torch import Tensor, nn

from kveraser_core.errors import KVEraserError

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
STEERING, SELECTOR = "steering.json", "selector.json"
PUBLISHED, LOOKAHEAD = "kveraser", "kveraser_lookahead"
"""The methods that erasers are trained for."""
Weights = dict[tuple[str, str], Tensor]
"""LoRA weights by module path below the decoder and `lora_A` or `lora_B`: `[rank, in]` and `[out, rank]`."""

_PICKLES = "adapter_model.bin"
_MOST_BYTES = 2**20
_KEY = re.compile(r"(?:base_model\.)?(?:model\.)*(layers\.\d+\..+?)\.(lora_[AB])\.(?:\w+\.)?weight")
_FLOATS = ("F64", "F32", "F16", "BF16")


class AdapterError(KVEraserError):
    """An adapter that cannot be read, or that was made for another backbone."""


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _is_one_or_more(value: Any, kind: Callable[[Any], bool]) -> bool:
    return value is None or kind(value) or (isinstance(value, list) and all(map(kind, value)))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_NAMES = (lambda value: _is_one_or_more(value, _is_text), "names of modules")
_TEXT = (lambda value: value is None or _is_text(value), "a text")
_SWITCH = (lambda value: isinstance(value, bool), "true or false")
_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "r": (lambda value: _is_whole(value) and value > 0, "a whole number from 1 up"),
    "lora_alpha": (lambda value: _is_number(value, -1e6, 1e6), "a number of at most a million"),
    "use_rslora": _SWITCH,
    # These describe the adapter: nothing is computed from them.
    "lora_dropout": (lambda value: _is_number(value, 0, 1), "a number from 0 to 1"),
    "inference_mode": _SWITCH,
    "target_modules": _NAMES,
    "exclude_modules": _NAMES,
    "layers_to_transform": (lambda value: _is_one_or_more(value, _is_whole), "numbers of layers"),
    "auto_mapping": (lambda value: value is None or isinstance(value, dict), "names of classes"),
    "base_model_name_or_path": _TEXT,
    "revision": _TEXT,
    "task_type": _TEXT,
    "peft_version": _TEXT,
}
_STARTS = ("gaussian", "orthogonal")
"""Values of `init_lora_weights` beside true and false that leave the model's own weights alone."""


def read_settings(folder: Path, source: str | Path) -> LoraConfig:
    """Rank and scale from the folder's `adapter_config.json`. Raises `AdapterError`."""
    settings = _read_json(folder / CONFIG, source)
    kind = settings.pop("peft_type", None)
    if kind != "LORA":
        raise AdapterError(f"{source} is a {_short(kind)} adapter: an eraser is a LoRA adapter.")
    for name, value in settings.items():
        if name in _TYPES:
            accepts, wanted = _TYPES[name]
            if not accepts(value):
                raise AdapterError(f"{source} is damaged: its {name} is {_short(value)}, which is not {wanted}.")
        elif not _is_plain(name, value):
            raise AdapterError(
                f"{source} sets {_short(name)} to {_short(value)}, which is not supported: "
                "an eraser is a plain LoRA adapter that leaves the model's own weights as they are."
            )
    read = {name: settings[name] for name in ("r", "lora_alpha", "use_rslora") if name in settings}
    return LoraConfig(
        **read,
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
        base_model_name_or_path=settings.get("base_model_name_or_path"),
    )


def read_weights(
    folder: Path, source: str | Path, config: LoraConfig, modules: dict[str, nn.Module], dtypes: set[torch.dtype]
) -> Weights:
    """The weights in the folder, which fit `modules`, by path below the decoder, and are finite in `dtypes`.

    Names, types and shapes are checked before any weight is read. Raises `AdapterError`.
    """
    path = folder / WEIGHTS
    if not path.is_file() and (folder / _PICKLES).is_file():
        raise AdapterError(
            f"{source} has its weights in {_PICKLES}, which can run code when it is read: save them as {WEIGHTS}."
        )
    if not path.is_file():
        raise AdapterError(f"{source} is not an eraser: it needs {WEIGHTS} as PEFT saves it.")
    weights: Weights = {}
    try:
        with safe_open(path, framework="pt") as file:
            names = {key: _name(key, source) for key in list(file.keys())}
            _check_names(Counter(names.values()), source)
            for key, name in names.items():
                part = file.get_slice(key)
                _check_shape(name, part.get_shape(), part.get_dtype(), config.r, modules.get(name[0]), source)
            weights = {name: file.get_tensor(key) for key, name in names.items()}
    except AdapterError:
        raise
    except Exception as error:
        raise AdapterError(f"{source} is not an eraser: its {WEIGHTS} is damaged ({_short(error)}).") from error
    scale = config.lora_alpha / (math.sqrt(config.r) if config.use_rslora else config.r)
    for (module, which), weight in weights.items():
        for dtype in dtypes:
            used = weight.to(dtype)
            if not (used.isfinite().all() and (which == "lora_A" or (scale * used).isfinite().all())):
                kind = str(dtype).removeprefix("torch.")
                raise AdapterError(f"{source} is damaged: {which} of {module} holds what is no number in {kind}.")
    return weights


def read_steering(folder: Path, source: str | Path) -> tuple[str, int | None]:
    """The erase method that the eraser was trained for, and how many tokens after a span it is run over at most.

    Without a `steering.json` it is an adapter for the published method, `kveraser`. Raises `AdapterError`.
    """
    if not (folder / STEERING).exists():
        return PUBLISHED, None
    said = _read_json(folder / STEERING, source)
    lookahead: Any = said.get("lookahead")
    method = said.get("method", PUBLISHED if lookahead is None else LOOKAHEAD)
    if method == PUBLISHED and lookahead is None and said:
        return method, None
    if method != LOOKAHEAD or not _is_whole(lookahead) or lookahead < 1:
        raise AdapterError(
            f"{source} is damaged: its {STEERING} names no method that an eraser is trained for, or not how many "
            "tokens it looks ahead."
        )
    return method, lookahead


def write_steering(folder: Path, method: str, lookahead: int | None) -> None:
    """Write what `read_steering` reads."""
    said = {"method": method} if lookahead is None else {"method": method, "lookahead": lookahead}
    (folder / STEERING).write_text(json.dumps(said) + "\n")


def read_selector(folder: Path, source: str | Path) -> dict[str, float] | None:
    """The weights by which stale tokens are chosen with this eraser; `None` without a `selector.json`.

    Raises `AdapterError`.
    """
    if not (folder / SELECTOR).exists():
        return None
    weights = _read_json(folder / SELECTOR, source).get("weights")
    if not isinstance(weights, dict) or not all(_is_number(weight, -1e3, 1e3) for weight in weights.values()):
        raise AdapterError(f"{source} is damaged: its {SELECTOR} does not hold weights.")
    return weights


def _defaults() -> dict[str, Any]:
    made = {}
    for field in fields(LoraConfig):
        made[field.name] = field.default if field.default_factory is MISSING else field.default_factory()
    return made


_DEFAULTS = _defaults()


def _is_plain(name: str, value: Any) -> bool:
    """Whether a plain LoRA adapter may have this value for a key that is none of `_TYPES`."""
    if name == "init_lora_weights" and isinstance(value, str):
        return value in _STARTS
    return not value or value == _DEFAULTS.get(name)


def _read_json(path: Path, source: str | Path) -> dict[str, Any]:
    if not path.is_file():
        raise AdapterError(f"{source} is not an eraser: it needs {CONFIG} and {WEIGHTS} as PEFT saves them.")
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError("over 1 MB")
        found = json.loads(content)
        if not isinstance(found, dict):
            raise ValueError("not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterError(f"{source} is damaged: its {path.name} cannot be read ({_short(error)}).") from error
    return found


def _name(key: str, source: str | Path) -> tuple[str, str]:
    match = _KEY.fullmatch(key)
    if not match:
        raise AdapterError(
            f"{source} holds {_short(key)}: an eraser has LoRA weights of decoder layers and nothing else."
        )
    return match[1], match[2]


def _check_names(names: Counter[tuple[str, str]], source: str | Path) -> None:
    for (path, which), times in names.items():
        if times > 1:
            raise AdapterError(f"{source} is damaged: it holds {which} of {path} more than once.")
        other = "lora_B" if which == "lora_A" else "lora_A"
        if (path, other) not in names:
            raise AdapterError(f"{source} is damaged: it holds {which} of {path} but not its {other}.")
    if not names:
        raise AdapterError(f"{source} is damaged: its {WEIGHTS} holds no weights.")


def _check_shape(
    name: tuple[str, str], shape: list[int], kind: str, rank: int, module: nn.Module | None, source: str | Path
) -> None:
    path, which = name
    if not isinstance(module, nn.Linear):
        raise AdapterError(f"{source} does not fit this model: it has no {_short(path)}.")
    if kind not in _FLOATS:
        raise AdapterError(f"{source} holds {which} of {path} as {kind}: save it as floating-point numbers.")
    axis, wanted = (1, module.in_features) if which == "lora_A" else (0, module.out_features)
    if len(shape) != 2 or shape[axis] != wanted:
        raise AdapterError(
            f"{source} does not fit this model: {path} is {module.out_features} x {module.in_features}, "
            f"the adapter's {which} there is {' x '.join(map(str, shape))}."
        )
    if shape[1 - axis] != rank:
        raise AdapterError(f"{source} is damaged: {path} has no {which} of rank {rank}.")
    if rank > max(module.in_features, module.out_features):
        raise AdapterError(f"{source} has rank {rank}, which is more than {path} is wide: use a lower rank.")


def _short(value: Any) -> str:
    """`value` on one line, as JSON has it, in at most 80 characters."""
    text = str(value) if isinstance(value, str | Exception) else json.dumps(value, default=str)
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:79]}…"
