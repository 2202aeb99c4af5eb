"""How fast this device multiplies matrices, reads and copies: measured on the spot."""

import time
from collections.abc import Callable

import torch

from kveraser_core.benchmark.limits import Speeds
from kveraser_core.cache.editable_cache import synchronize

_SIDE = 2048
_ROWS = 512
_BYTES = 256 * 2**20
_SECONDS = 0.5


@torch.inference_mode()
def measure_speeds(device: torch.device, dtype: torch.dtype, hidden: int, inner: int) -> Speeds:
    """The best rates reached within half a second each: a limit is what no run may beat.

    Matrix products are a square one and a chunk of tokens through a projection from `hidden` to `inner`,
    in `dtype`; reading is a sum and copying a copy of 256 MB.
    """

    def rate(operation: Callable[[], object], amount: float) -> float:
        best = float("inf")
        operation()
        synchronize(device)
        end = time.perf_counter() + _SECONDS
        while (started := time.perf_counter()) < end:
            operation()
            synchronize(device)
            best = min(best, time.perf_counter() - started)
        return amount / best

    square = torch.randn(_SIDE, _SIDE, device=device).to(dtype)
    tokens = torch.randn(_ROWS, hidden, device=device).to(dtype)
    projection = torch.randn(inner, hidden, device=device).to(dtype)
    source = torch.ones(_BYTES // 4, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    return Speeds(
        flops_per_s=max(
            rate(lambda: square @ square, 2.0 * _SIDE**3),
            rate(lambda: torch.nn.functional.linear(tokens, projection), 2.0 * _ROWS * hidden * inner),
        ),
        read_per_s=rate(source.sum, _BYTES),
        copied_per_s=rate(lambda: target.copy_(source), 2 * _BYTES),
    )
