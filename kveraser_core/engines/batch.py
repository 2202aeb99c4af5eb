"""What goes through the model in one forward pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from kveraser_core.cache.view import ALL_SLOTS, Ranges

PROJECTIONS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)
"""The linear layers of a decoder layer; those that have the same input are in one group."""


@dataclass(frozen=True)
class Segment:
    """Tokens of a forward pass that attend to the cache by one view.

    Without `slots` the tokens `ids` are appended and attend by the cache's own view. With them their keys and values
    overwrite these slots, in rising order, at these positions; they attend by `view`. With
    `eraser` the eraser is on for them.
    """

    ids: Sequence[int]
    slots: Sequence[int] | None = None
    view: Ranges = ALL_SLOTS
    eraser: bool = False


class LowRankWeights(Protocol):
    """An eraser, as engines need it."""

    def low_rank(self, path: str) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """What is added to the linear layer at `path`: `[rank, in]`, and `[out, rank]` with the scale in it."""
