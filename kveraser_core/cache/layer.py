"""One layer of the editable KV cache: preallocated buffers, written in place."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import CacheLayerMixin

from kveraser_core.cache.view import AttentionView, viewed
from kveraser_core.errors import KVEraserError


class CacheFull(KVEraserError):
    """More tokens than the cache has slots for."""


class OutOfMemory(KVEraserError):
    """The device has no room for the cache."""


class CacheClosed(KVEraserError):
    """A lent cache that is used after it was given back, or for what it was not lent for."""


class OneSequence(KVEraserError):
    """More than one sequence for a cache that holds one."""

    def __init__(self) -> None:
        super().__init__(
            "An editable cache holds one sequence: generate with a batch of 1, one beam and one returned sequence."
        )


@dataclass
class Loan:
    """Of a lent layer: how many slots the lender had filled, and whether the loan is over."""

    floor: int
    over: bool = False


class EditableLayer(CacheLayerMixin):
    """One layer's keys and values: `[1, kv_heads, capacity, head_dim]` each, `length` slots filled.

    They are kept in the dtype `kept`, by default in that of the first that come.
    """

    is_sliding = False
    is_croppable = True

    def __init__(self, number: int, capacity: int, kept: torch.dtype | None = None) -> None:
        super().__init__()
        self.number, self.capacity, self.kept = number, capacity, kept
        self.length = 0
        self.view: AttentionView | None = None
        self.targets: Tensor | None = None
        self.loan: Loan | None = None

    def lent(self, loan: Loan) -> "EditableLayer":
        """A layer of its own over the same slots."""
        layer = EditableLayer(self.number, self.capacity, self.kept)
        layer.dtype, layer.device = self.dtype, self.device
        layer.key_buffer, layer.value_buffer = self.key_buffer, self.value_buffer
        layer.is_initialized = True
        layer.length, layer.view, layer.loan = self.length, self.view, loan
        return layer

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.dtype, self.device = self.kept or key_states.dtype, key_states.device
        shape = (*key_states.shape[:2], self.capacity, key_states.shape[3])
        try:
            with torch.inference_mode(False):
                self.key_buffer = torch.empty(shape, dtype=self.dtype, device=self.device)
                self.value_buffer = torch.empty(shape, dtype=self.dtype, device=self.device)
        except RuntimeError as error:
            wanted = key_states.shape[1] * key_states.shape[3] * self.capacity * self.dtype.itemsize * 2
            raise OutOfMemory(
                f"There is no memory left for a cache of {self.capacity:,} tokens "
                f"({wanted / 2**20:,.0f} MB a layer): load fewer pages or close another document."
            ) from error
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object) -> tuple[Any, Tensor]:
        """Write the states of new tokens after the last slot; return views of all filled slots, keys as `viewed`.

        Raises `OneSequence`, `CacheFull`, and `CacheClosed` for a lent layer that was given back.
        """
        if len(key_states) != 1:
            raise OneSequence
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if self.view:
            key_states = self.view.stored(key_states, self.number)
        if self.targets is not None:
            self.key_buffer[:, :, self.targets] = key_states.to(self.dtype)
            self.value_buffer[:, :, self.targets] = value_states.to(self.dtype)
            keys, values = self.filled()
            return viewed(keys, self.view), values
        start, end = self.extend(key_states.shape[2])
        self.key_buffer[:, :, start:end] = key_states
        self.value_buffer[:, :, start:end] = value_states
        keys, values = self.filled()
        return viewed(keys, self.view), values

    def extend(self, tokens: int) -> tuple[int, int]:
        """Take `tokens` more slots, for states yet to be written; their start and end. Raises as `update`."""
        self._check_loan(self.length)
        start, end = self.length, self.length + tokens
        if end > self.capacity:
            raise CacheFull(
                f"The cache has room for {self.capacity - start:,} more tokens and {tokens:,} were to be "
                "written: ask a shorter question, drop earlier turns or allow fewer answer tokens."
            )
        self.length = end
        return start, end

    def buffers(self) -> tuple[Tensor, ...]:
        """The buffers of keys and values, `[1, kv_heads, capacity, head_dim]` each; none before the first token."""
        return (self.key_buffer, self.value_buffer) if self.is_initialized else ()

    def filled(self) -> tuple[Tensor, Tensor]:
        """Views of the filled slots' keys and values, `[1, kv_heads, length, head_dim]` each."""
        self._check_loan(self.length)
        return self.key_buffer[:, :, : self.length], self.value_buffer[:, :, : self.length]

    def get_seq_length(self) -> int:
        return self.length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0

    def get_max_length(self) -> int:
        return self.capacity

    def crop(self, tokens_to_remove: int) -> None:
        if self.is_initialized:
            self._check_loan(self.length - abs(tokens_to_remove))
            self.length -= abs(tokens_to_remove)

    def reset(self) -> None:
        self._check_loan(0)
        self.length = 0

    def reorder_cache(self, beam_idx: Tensor) -> None:
        raise OneSequence

    def batch_repeat_interleave(self, repeats: int) -> None:
        raise OneSequence

    def batch_select_indices(self, indices: Tensor) -> None:
        raise OneSequence

    def _check_loan(self, length: int) -> None:
        """Raise `CacheClosed` unless the layer may be used with `length` slots filled."""
        if self.loan and self.loan.over:
            raise CacheClosed("This cache was given back: open session.cache() again for what is not erased now.")
        if self.loan and length < self.loan.floor:
            raise CacheClosed(
                "The document's own tokens cannot be cut off a session's cache: erase a passage instead."
            )
