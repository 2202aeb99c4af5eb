"""How a run does on text that it is not trained on: the eraser that does best there is kept, and training may end."""

import json
import random
import shutil
from pathlib import Path

import torch

from kveraser_core.model.adapter_files import WEIGHTS
from kveraser_core.model.adapters import Adapter
from kveraser_core.training.distill import Distiller
from kveraser_core.training.mixture import Mixture
from kveraser_core.training.recipe import Recipe

_BEST = "best"


class Validation:
    """The validations of the run in `out`, whose `metrics` file has those of before it was stopped.

    `measured` are their figures, the newest last.
    """

    def __init__(self, out: Path, metrics: str) -> None:
        self.best = out / _BEST
        rows = (out / metrics).read_text().splitlines() if (out / metrics).exists() else []
        self.measured = [row["validation"] for row in map(json.loads, rows) if "validation" in row]

    def measure(self, distiller: Distiller, examples: Mixture, recipe: Recipe) -> float:
        """The mean KL in nats over contexts that are the same each time."""
        losses = []
        with torch.no_grad():
            for number in range(recipe.validation_contexts):
                rng = random.Random(f"validation/{recipe.seed}/{number}")  # noqa: S311
                method = distiller.methods[number % len(distiller.methods)]
                losses.append(distiller.loss(examples.example(rng), method).item())
        return sum(losses) / len(losses)

    @property
    def is_best(self) -> bool:
        """Whether the newest validation is the lowest yet."""
        return self.measured[-1] == min(self.measured)

    def is_over(self, patience: int) -> bool:
        """Whether the last `patience` validations were all worse than the best before them."""
        if not patience or len(self.measured) <= patience:
            return False
        return min(self.measured[-patience:]) > min(self.measured[:-patience])

    def keep(self, eraser: Adapter) -> None:
        """Keep `eraser` as the best."""
        self.best.mkdir(exist_ok=True)
        eraser.save(self.best)

    def leave_best(self) -> None:
        """Put the best eraser's weights in the place of the last one's."""
        if self.best.exists():
            shutil.copy(self.best / WEIGHTS, self.best.parent / WEIGHTS)
            shutil.rmtree(self.best)
