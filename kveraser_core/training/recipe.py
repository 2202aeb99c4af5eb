"""How an eraser is trained, as numbers: written beside every eraser, read back to go on."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Recipe:
    """One training run.

    `learning_rate` is reached after `warmup` steps and falls as a cosine to `floor` of it. The eraser is run
    over `lookahead` tokens behind a span. A step's contexts go to the methods that use an eraser in turn.
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
    lookahead: int = 32
    shortest: int = 200
    longest: int = 700
    seed: int = 0
    checkpoint_every: int = 50

    def save(self, folder: Path) -> None:
        (folder / "recipe.json").write_text(json.dumps(asdict(self), indent=2) + "\n")
