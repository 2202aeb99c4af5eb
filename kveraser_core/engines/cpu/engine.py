"""The compiled kernels: single tokens by `RowPass`, blocks of tokens by `BlockPass`, the rest by PyTorch."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.rotation import Turns
from kveraser_core.engines.batch import LowRankWeights, Segment
from kveraser_core.engines.cpu.block_pass import BlockPass
from kveraser_core.engines.cpu.features import LEVEL
from kveraser_core.engines.cpu.row_pass import RowPass
from kveraser_core.engines.engine import Engine
from kveraser_core.engines.torch import TorchEngine


class CpuEngine(Engine):
    """What of a model the kernels know; at least one of both passes is there."""

    name = "cpu"
    cache_dtype = torch.bfloat16

    def __init__(self, model: PreTrainedModel, rows: RowPass | None, blocks: BlockPass | None) -> None:
        self._model, self.rows, self.blocks = model, rows, blocks
        self._torch = TorchEngine(model, pack_layers=blocks is None)
        self._eraser: Any = None
        if rows:
            self.row_bytes, self.head_bytes = rows.nbytes, rows.head_bytes

    @classmethod
    def of(cls, model: PreTrainedModel) -> "CpuEngine | None":
        """The engine for `model`, if the kernels know any of it on this CPU."""
        turns = Turns.of(model)
        rows, blocks = RowPass.of(model, turns), BlockPass.of(model, turns)
        return cls(model, rows, blocks) if rows or blocks else None

    @property
    def description(self) -> str:
        parts = {"single tokens": self.rows, "blocks of tokens": self.blocks}
        compiled = " and ".join(what for what, by_kernels in parts.items() if by_kernels)
        return f"{self.name} (kernels of {LEVEL.name} for {compiled})"

    def warm_up(self) -> None:
        """The first time on a machine it takes some 30 seconds to compile the kernels, later half of one."""
        cache = EditableCache.of(self._model, 3, self.cache_dtype)
        self.forward([Segment([0, 0])], cache, 1)
        self.logits(self.forward([Segment([0])], cache, 1))

    def use_eraser(self, eraser: LowRankWeights) -> None:
        if self.blocks:
            self._eraser = self.blocks.low_rank(eraser)
        else:
            self._torch.use_eraser(eraser)

    @torch.inference_mode()
    def forward(
        self,
        batch: Sequence[Segment],
        cache: EditableCache,
        num_outputs: int,
        between: Callable[[], object] = lambda: None,
    ) -> Tensor:
        (*first, last) = batch
        single = not first and len(last.ids) == num_outputs == 1 and last.slots is None and not last.eraser
        if self.rows and single and cache.editable[0].is_initialized:
            return self.rows(last.ids[0], cache)
        if self.blocks:
            return self.blocks(batch, cache, num_outputs, self._eraser, between)
        return self._torch.forward(batch, cache, num_outputs, between)

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        if self.head_bytes and self.rows and len(hidden) == 1:
            return self.rows.logits(hidden)
        return self._torch.logits(hidden)
