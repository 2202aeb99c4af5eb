"""Adapter folders with something wrong in them, and the states of a model before and after."""

import json

import torch
from safetensors.torch import save_file

from kveraser_core.model.adapter_files import CONFIG, WEIGHTS

IDS = torch.arange(5, 45)[None]


def logits(model):
    with torch.no_grad():
        return model(IDS).logits


def state(model):
    """All that an adapter could change: which module hangs where, weights bit for bit, flags, hooks, attributes."""
    return (
        {path: (id(module), type(module)) for path, module in model.named_modules()},
        {name: (id(weight), weight.requires_grad) for name, weight in model.named_parameters()},
        {name: weight.clone() for name, weight in model.state_dict().items()},
        {
            path: (sorted(vars(module)), module.training, len(module._forward_hooks), len(module._forward_pre_hooks))
            for path, module in model.named_modules()
        },
    )


def same(first, second):
    return all(
        a == b if not isinstance(next(iter(a.values())), torch.Tensor) else all(torch.equal(a[k], b[k]) for k in a)
        for a, b in zip(first, second, strict=True)
    )


def write(folder, config, weights):
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(config))
    save_file(weights, folder / WEIGHTS)
