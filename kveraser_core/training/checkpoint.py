"""A training run on disk: the eraser, the optimiser's moments and the step, all in safetensors and JSON."""

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from kveraser_core.model.adapters import Adapter

_FOLDER = "checkpoint"


def save_checkpoint(out: Path, step: int, eraser: Adapter, optimizer: torch.optim.Optimizer) -> None:
    """Replace the checkpoint in `out`; an interrupted call leaves the one before or this one whole."""
    scratch = out / f".{_FOLDER}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    tensors = {}
    for (path, which), weight in eraser.weights.items():
        tensors[f"{path}.{which}"] = weight.detach().contiguous()
        for name, moment in optimizer.state.get(weight, {}).items():
            tensors[f"{path}.{which}.{name}"] = moment.contiguous()
    save_file(tensors, scratch / "state.safetensors")
    (scratch / "step.json").write_text(json.dumps({"step": step}))
    old = out / f".{_FOLDER}-old"
    shutil.rmtree(old, ignore_errors=True)
    if (out / _FOLDER).exists():
        os.replace(out / _FOLDER, old)
    os.replace(scratch, out / _FOLDER)
    shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(out: Path, eraser: Adapter, optimizer: torch.optim.Optimizer) -> int:
    """Put the checkpoint in `out` back, bit for bit, and return the steps done; 0 where there is none."""
    folder = next((out / name for name in (_FOLDER, f".{_FOLDER}-old") if (out / name).exists()), None)
    if folder is None:
        return 0
    tensors = load_file(folder / "state.safetensors")
    for (path, which), weight in eraser.weights.items():
        weight.data.copy_(tensors[f"{path}.{which}"])
        prefix = f"{path}.{which}."
        moments = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        if moments:
            optimizer.state[weight] = {name: value.to(weight.device) for name, value in moments.items()}
    return int(json.loads((folder / "step.json").read_text())["step"])
