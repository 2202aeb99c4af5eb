"""How an eraser is trained, as numbers: written beside every eraser, read back to go on."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recipe:
    """One training run.

    `learning_rate` is reached after `warmup` steps and falls as a cosine to `floor` of it. The eraser is trained for
    `method`; for `kveraser_lookahead` it is run over `lookahead` tokens after a span. A step's contexts go in turn to
    the methods that use such an eraser.
    """

    steps: int = 1000
    contexts_per_step: int = 2
    learning_rate: float = 3e-4
    warmup: int = 30
    floor: float = 0.05
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.99
    clip: float = 1.0
    rank: int = 16
    alpha: int = 32
    method: str = "kveraser_lookahead"
    lookahead: int = 32
    shortest: int = 200
    longest: int = 700
    seed: int = 0
    checkpoint_every: int = 50

    def save(self, folder: Path) -> None:
        (folder / "recipe.json").write_text(json.dumps(asdict(self), indent=2) + "\n")
