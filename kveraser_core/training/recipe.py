"""How an eraser is trained, as numbers: written beside every eraser, read back to go on."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Recipe:
    """One training run.

    `learning_rate` is reached after `warmup` steps and falls as a cosine to `floor` of it. The eraser's
    bias starts at `bias` nats, where steering states are hardly seen, and learns `bias_rate` times as fast; it
    writes over the first `slots` slots of a span.
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
    bias: float = -4.0
    bias_rate: float = 20.0
    slots: int = 32
    shortest: int = 200
    longest: int = 700
    seed: int = 0
    checkpoint_every: int = 50

    def save(self, folder: Path) -> None:
        (folder / "recipe.json").write_text(json.dumps(asdict(self), indent=2) + "\n")
