"""The engine: what runs a forward pass over an editable cache, on a device.

It is chosen once for a model. The environment variable `KVERASER_ENGINE` forces one: `torch` runs on any device,
`cpu` is the compiled kernels.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import ClassVar

import torch
from torch import Tensor
from transformers import PreTrainedModel

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.engines.batch import LowRankWeights, Segment
from kveraser_core.errors import KVEraserError

VARIABLE = "KVERASER_ENGINE"


class EngineError(KVEraserError):
    """An engine that does not exist or cannot run a model."""


class Engine(ABC):
    """Forward passes of one model, batch size 1, without gradients. The model itself is never changed."""

    name: ClassVar[str]
    row_bytes: int | None = None
    """Bytes of the layers' weights that a pass of one token reads, where that is not what longer passes read."""
    head_bytes: int | None = None
    """Bytes of the output embedding that the logits of one token read, where that is not what more tokens' read."""

    cache_dtype: torch.dtype
    """In which dtype keys and values are kept."""

    @property
    def description(self) -> str:
        """What runs, in a phrase: the engine, and what of it on this device."""
        return self.name

    @abstractmethod
    def forward(
        self,
        batch: Sequence[Segment],
        cache: EditableCache,
        num_outputs: int,
        between: Callable[[], object] = lambda: None,
    ) -> Tensor:
        """Run `batch` through the layers; `cache` gets the keys and values.

        What a segment writes is seen by those after it. Only the last one may be appended. The result is the last
        hidden states of its last `num_outputs` tokens, `[num_outputs, hidden]`. Raises `CacheFull`.

        `between` is called between two layers. Passes over other caches may run in it; what it raises ends the pass,
        of which the cache has got a part then.
        """

    @abstractmethod
    def logits(self, hidden: Tensor) -> Tensor:
        """The next-token logits of hidden states: `[tokens, hidden]` to `[tokens, vocabulary]`."""

    def warm_up(self) -> None:  # noqa: B027
        """Run a few tokens where something is compiled for them, so that it is there when a document comes."""

    @abstractmethod
    def use_eraser(self, eraser: LowRankWeights) -> None:
        """Make `eraser` what runs for segments that want one."""


def choose_engine(model: PreTrainedModel) -> Engine:
    """The engine for `model`: the compiled kernels where they know it. Raises `EngineError`."""
    forced = os.environ.get(VARIABLE, "")
    if forced not in ("", "torch", "cpu"):
        raise EngineError(f"There is no engine {forced!r}: set {VARIABLE} to torch or cpu, or leave it out.")
    if forced != "torch" and model.device.type == "cpu" and find_spec("numba"):
        from kveraser_core.engines.cpu.engine import CpuEngine

        if engine := CpuEngine.of(model):
            return engine
    if forced == "cpu":
        raise EngineError(
            f"The compiled kernels cannot run this model on {model.device}: unset {VARIABLE}, or set it to torch."
        )
    from kveraser_core.engines.torch import TorchEngine

    return TorchEngine(model)
