"""How an eraser is trained, as numbers: the options of the command, written beside every eraser."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from kveraser_core.errors import KVEraserError

METHODS = ("kveraser", "kveraser_lookahead")
TRACKERS = ("tensorboard", "wandb")


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


class BadRecipe(KVEraserError):
    """A recipe that nothing can be trained by."""


@dataclass(frozen=True)
class Recipe:
    """One training run. A step's contexts go in turn to the methods that use such an eraser. Raises `BadRecipe`."""

    method: str = _option("kveraser_lookahead", "the method that the eraser is for: kveraser or kveraser_lookahead")
    lookahead: int = _option(32, "tokens after a span that a kveraser_lookahead eraser is run over")
    steps: int = _option(1000, "steps")
    contexts_per_step: int = _option(2, "contexts of a step, of each process")
    learning_rate: float = _option(4e-4, "learning rate after the warm-up")
    warmup: int = _option(30, "steps in which the learning rate rises")
    floor: float = _option(0.05, "share of the learning rate to which it falls, as a cosine")
    weight_decay: float = _option(0.01, "AdamW's weight decay")
    beta1: float = _option(0.9, "AdamW's first decay rate")
    beta2: float = _option(0.99, "AdamW's second decay rate")
    clip: float = _option(1.0, "the largest norm of the gradient")
    rank: int = _option(16, "LoRA's rank")
    alpha: int = _option(32, "LoRA's alpha")
    shortest: int = _option(200, "tokens of the shortest context")
    longest: int = _option(700, "tokens of the longest context")
    seed: int = _option(0, "seed of the examples and the first weights")
    checkpoint_every: int = _option(50, "steps between two checkpoints")
    validate_every: int = _option(0, "steps between two validations; 0 for none")
    validation_contexts: int = _option(32, "contexts of a validation")
    patience: int = _option(0, "validations that may be worse than the best, then training ends; 0 for any number")

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise BadRecipe(f"No eraser can be trained for {self.method!r}: use {' or '.join(METHODS)}.")
        for name in (
            "lookahead", "steps", "contexts_per_step", "rank", "shortest", "checkpoint_every", "validation_contexts",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise BadRecipe(f"{name} is {getattr(self, name)}: give 1 or more.")
        if self.longest < self.shortest:
            raise BadRecipe(f"The longest context ({self.longest}) is shorter than the shortest ({self.shortest}).")

    @classmethod
    def values(cls, file: Path) -> dict[str, Any]:
        """What a YAML file says of a recipe: names of fields and their values. Raises `BadRecipe`."""
        try:
            said = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeError, yaml.YAMLError) as error:
            raise BadRecipe(f"{file} is no recipe: give a YAML file with a line `name: value` a setting.") from error
        if not isinstance(said, dict):
            raise BadRecipe(f"{file} is no recipe: give a YAML file with a line `name: value` a setting.")
        kinds = {field.name: type(field.default) for field in fields(cls)}
        for name, value in said.items():
            if name not in kinds:
                raise BadRecipe(f"{file} sets {name}, which no recipe has: use {', '.join(kinds)}.")
            if kinds[name] is float and type(value) is int:
                said[name] = float(value)
            elif type(value) is not kinds[name]:
                kind = {int: "a whole number", float: "a number", str: "a text"}[kinds[name]]
                raise BadRecipe(f"{file} sets {name} to {value!r}: give {kind}.")
        return said

    def save(self, folder: Path) -> None:
        (folder / "recipe.json").write_text(json.dumps(asdict(self), indent=2) + "\n")
