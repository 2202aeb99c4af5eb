"""The training loop: draw examples, distil them, step; on one device or, by `accelerate launch`, on many.

Each process draws its own examples and the gradients are averaged. A run that is stopped goes on from
its last checkpoint to the same result, because every step's examples follow from the seed and the step.
"""

import json
import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from accelerate.utils import broadcast, is_tensorboard_available, is_wandb_available
from peft import LoraConfig

from kveraser_core.engines.batch import PROJECTIONS
from kveraser_core.model.adapter_files import LOOKAHEAD
from kveraser_core.model.adapters import Adapter, add_lora, load_adapter
from kveraser_core.model.backbone import Backbone
from kveraser_core.training.checkpoint import load_checkpoint, save_checkpoint
from kveraser_core.training.distill import Distiller
from kveraser_core.training.mixture import Mixture
from kveraser_core.training.recipe import BadRecipe, Recipe
from kveraser_core.training.validation import Validation

METRICS = "metrics.jsonl"
_NOISE = 1e-3
"""The KL in nats a token of full recompute from itself in bf16. Steps go by the logarithm of KL and this: else the
few examples with a large KL would be all that counts, and the others would become worse."""


def train(
    backbone: Backbone,
    mixture: Mixture,
    recipe: Recipe,
    out: Path,
    start_from: Path | None = None,
    report: Callable[[int, float, float], None] = lambda step, loss, seconds: None,
    validation: Mixture | None = None,
    tracker: str | GeneralTracker | None = None,
) -> Adapter:
    """Train an eraser by `recipe` and leave it in `out`, in PEFT format, with its metrics.

    `start_from` is an eraser to begin with. `report` gets the steps done, the last step's mean loss in
    nats and the seconds it took. Goes on where `out` holds a checkpoint. With examples for `validation`, which the
    recipe says how often are looked at, the eraser that does best on them is the one that is left. Metrics go to
    `tracker` too. Raises `BadRecipe` where that is not installed.
    """
    accelerator = _accelerator(backbone, out, tracker)
    accelerator.init_trackers("kveraser", config=asdict(recipe))
    out.mkdir(parents=True, exist_ok=True)
    eraser = backbone.eraser = _eraser(backbone, recipe, start_from)
    weights = list(eraser.weights.values())
    for weight in weights:
        weight.requires_grad_(True)
    betas = recipe.beta1, recipe.beta2
    optimizer = torch.optim.AdamW(weights, recipe.learning_rate, betas, weight_decay=recipe.weight_decay)
    distiller = Distiller(backbone, eraser)
    done = load_checkpoint(out, eraser, optimizer)
    if accelerator.is_main_process:
        _forget_metrics_after(out / METRICS, done)
    accelerator.wait_for_everyone()
    validated = Validation(out, METRICS)
    for step in range(done, recipe.steps):
        if validated.is_over(recipe.patience):
            break
        started = time.perf_counter()
        rate = _learning_rate(recipe, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        losses = []
        for number in range(recipe.contexts_per_step):
            rng = random.Random(f"{recipe.seed}/{step}/{number}/{accelerator.process_index}")  # noqa: S311
            method = distiller.methods[number % len(distiller.methods)]
            loss = distiller.loss(mixture.example(rng), method)
            if loss.requires_grad:  # not where the erase is full recompute
                ((loss + _NOISE).log() / recipe.contexts_per_step).backward()
            losses.append(loss.item())
        for weight in weights:
            gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
            weight.grad = accelerator.reduce(gradient, "mean")
        norm = torch.nn.utils.clip_grad_norm_(weights, recipe.clip).item()
        optimizer.step()
        optimizer.zero_grad()
        seconds = time.perf_counter() - started
        row = {
            "step": step + 1,
            "contexts": recipe.contexts_per_step * accelerator.num_processes,
            "loss": sum(losses) / len(losses),
            "learning_rate": rate,
            "gradient_norm": norm,
            "seconds": seconds,
        }
        main = accelerator.is_main_process
        if validation and recipe.validate_every and (step + 1) % recipe.validate_every == 0:
            kl = validated.measure(distiller, validation, recipe) if main else 0.0
            told = broadcast(torch.tensor(kl, dtype=torch.float32, device=accelerator.device))
            row["validation"] = told.item()
            validated.measured.append(told.item())
            if main and validated.is_best:
                validated.keep(eraser)
        last = step + 1 == recipe.steps or validated.is_over(recipe.patience)
        accelerator.log(row, step=step + 1)
        if main:
            with (out / METRICS).open("a") as metrics:
                metrics.write(json.dumps(row) + "\n")
            if (step + 1) % recipe.checkpoint_every == 0 or last:
                save_checkpoint(out, step + 1, eraser, optimizer)
                eraser.save(out)
                recipe.save(out)
        report(step + 1, row["loss"], seconds)
    accelerator.end_training()
    if accelerator.is_main_process:
        validated.leave_best()
    for weight in weights:
        weight.requires_grad_(False)
    return eraser


def _accelerator(backbone: Backbone, out: Path, tracker: str | GeneralTracker | None) -> Accelerator:
    known = {"tensorboard": is_tensorboard_available, "wandb": is_wandb_available}
    if isinstance(tracker, str) and not known[tracker]():
        raise BadRecipe(f"{tracker} is not installed: run `pip install {tracker}`, or leave --tracker out.")
    return Accelerator(cpu=backbone.device.type == "cpu", log_with=tracker, project_dir=str(out))


def _eraser(backbone: Backbone, recipe: Recipe, start_from: Path | None) -> Adapter:
    """The eraser to begin with, its weights in fp32."""
    if start_from:
        eraser = load_adapter(backbone.model, start_from, torch.float32)
        if eraser.method != recipe.method:
            raise BadRecipe(
                f"{start_from} was trained for {eraser.method} and {recipe.method} is to be trained: give the same "
                "--method in both stages."
            )
        return eraser
    torch.manual_seed(recipe.seed)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
        base_model_name_or_path=backbone.name,
    )
    modules = backbone.model.get_decoder().named_modules()
    adapted = tuple(name for group in PROJECTIONS for name in group)
    paths = [path for path, _ in modules if path.endswith(adapted)]
    lookahead = recipe.lookahead if recipe.method == LOOKAHEAD else None
    return add_lora(backbone.model, config, paths, "training", torch.float32, recipe.method, lookahead)


def _learning_rate(recipe: Recipe, step: int) -> float:
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    share = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.learning_rate * (recipe.floor + (1 - recipe.floor) * (1 + math.cos(math.pi * share)) / 2)


def _forget_metrics_after(path: Path, step: int) -> None:
    """Drop the rows of steps that will be done again."""
    if path.exists():
        rows = [line for line in path.read_text().splitlines() if json.loads(line)["step"] <= step]
        path.write_text("".join(f"{row}\n" for row in rows))
