"""The editable KV cache: one preallocated buffer per layer, written in place.

New tokens are written after the last slot and attention gets a view of the buffer, so nothing is concatenated or
copied per token. Slots can be copied and written back bit for bit, and a pass can write over any slots. It is a
transformers `Cache`; it knows nothing about documents, spans or erase methods.

A *slot* is where a token's keys and values are kept, its *position* is what RoPE sees. They differ only once an edit
closed a gap or left one; `next_position` is the next token's. A `view` says which slots later passes attend to, and
as if they were where; without one they attend to all of them as they stand.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import Cache

from kveraser_core.cache.layer import CacheClosed, EditableLayer, Loan
from kveraser_core.cache.rotation import KeyRotation
from kveraser_core.cache.view import AttentionView, Ranges


@dataclass(frozen=True)
class Slots:
    """Copies of the keys and values of some slots: per layer, each `[1, kv_heads, tokens, head_dim]`."""

    start: int
    keys: list[Tensor]
    values: list[Tensor]

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))


class EditableCache(Cache):
    """A cache of at most `capacity` tokens for one sequence (batch size 1) of one model."""

    def __init__(self, rotation: KeyRotation, layers: int, capacity: int, kept: torch.dtype | None = None) -> None:
        self.editable = [EditableLayer(number, capacity, kept) for number in range(layers)]
        super().__init__(layers=list(self.editable))
        self.rotation = rotation
        self.capacity = capacity
        self.ids: tuple[int, ...] | None = None
        """The tokens that a lent cache stands for, which `generate` must begin with."""
        self._position_lead = 0

    @classmethod
    def of(cls, model: PreTrainedModel, capacity: int, kept: torch.dtype | None = None) -> "EditableCache":
        """An empty cache for `model`; buffers are allocated on each layer's device at its first token.

        Keys and values are kept in the dtype `kept`, by default in the model's.
        """
        return cls(KeyRotation.of(model), model.config.num_hidden_layers, capacity, kept)

    def another(self, capacity: int) -> "EditableCache":
        """An empty cache for the same model."""
        return EditableCache(self.rotation, len(self.editable), capacity, self.editable[0].kept)

    @contextmanager
    def lent(self, ids: Sequence[int]) -> Iterator["EditableCache"]:
        """A cache of its own over the same slots, which stand for `ids`, to generate with inside the block.

        What is appended to it is not part of this cache, and it raises `CacheClosed` after the block.
        """
        loan = Loan(self.length)
        cache = self.another(self.capacity)
        cache.editable = [layer.lent(loan) for layer in self.editable]
        cache.layers = list(cache.editable)
        cache.ids, cache._position_lead = tuple(ids), self._position_lead
        try:
            yield cache
        finally:
            loan.over = True

    @property
    def length(self) -> int:
        """How many slots are filled."""
        return self.editable[0].length

    @property
    def next_position(self) -> int:
        """The position that the next token gets."""
        return self.length + self._position_lead

    @next_position.setter
    def next_position(self, position: int) -> None:
        self._position_lead = position - self.length

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """What transformers takes for the next token's position."""
        return self.next_position

    @property
    def view(self) -> AttentionView | None:
        """How passes read the slots; `None` for all of them as they stand."""
        return self.editable[0].view

    @view.setter
    def view(self, view: AttentionView | None) -> None:
        self._check_own()
        for layer in self.editable:
            layer.view = view

    @property
    def token_bytes(self) -> int:
        """Bytes of one slot, keys and values of all layers; 0 before the first token."""
        return self.memory_bytes // self.capacity

    @property
    def used_bytes(self) -> int:
        """Bytes of the filled slots, keys and values of all layers."""
        return sum(states.nbytes for layer in self.editable if layer.is_initialized for states in layer.filled())

    @property
    def memory_bytes(self) -> int:
        """Bytes of all slots, those not filled included."""
        return sum(buffer.nbytes for layer in self.editable for buffer in layer.buffers())

    def truncate(self, length: int) -> None:
        """Drop all slots from `length` on; the next position moves back by as many."""
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot truncate {self.length} slots to {length}")
        for layer in self.editable:
            layer.crop(layer.length - length)

    def reserve(self, slots: int) -> None:
        """Take `slots` slots after the last one, for states yet to be written over them. Raises `CacheFull`."""
        self._check_own()
        for layer in self.editable:
            layer.extend(slots)

    def slots(self, start: int, end: int) -> Slots:
        """Copies of the slots `[start, end)`. Like `write` it raises `CacheClosed` for a lent cache."""
        self._check_own()
        return Slots(
            start,
            [layer.key_buffer[:, :, start:end].clone() for layer in self.editable],
            [layer.value_buffer[:, :, start:end].clone() for layer in self.editable],
        )

    def write(self, slots: Slots) -> None:
        """Write copied slots back to where they were taken from, also those that were dropped since.

        They may be those of another cache for the same model.
        """
        self._check_own()
        end = slots.start + slots.keys[0].shape[2]
        for layer, keys, values in zip(self.editable, slots.keys, slots.values, strict=True):
            if not layer.is_initialized:
                layer.lazy_initialization(keys, values)
            layer.key_buffer[:, :, slots.start : end] = keys
            layer.value_buffer[:, :, slots.start : end] = values
            layer.length = max(layer.length, end)

    @contextmanager
    def overwriting(self, slots: Sequence[int], ranges: Ranges) -> Iterator[None]:
        """Let one pass inside write its tokens' keys and values over `slots`, in order, wherever they are.

        Each token attends to all slots of `ranges` but the last, and of the last to those up to its own, what the
        pass has written included.
        """
        self._check_own()
        own_view, targets = self.view, torch.tensor(slots)
        self.view = AttentionView(self.rotation, ranges, queries=targets)
        for layer in self.editable:
            layer.targets = targets.to(layer.device)
        try:
            yield
        finally:
            for layer in self.editable:
                layer.targets = None
            self.view = own_view

    def _check_own(self) -> None:
        if self.editable[0].loan:
            raise CacheClosed("A session's cache can be generated with, not edited: erase by the session.")

    def positions(self, count: int) -> Tensor:
        """The positions that the next `count` tokens get: `[count]`."""
        targets = self.editable[0].targets
        return torch.arange(count) + self.next_position if targets is None else targets.cpu()

    @contextmanager
    def appending(self) -> Iterator[None]:
        """Let passes inside append tokens, and cut them off again: the slots before are as they were."""
        length, lead = self.length, self._position_lead
        try:
            yield
        finally:
            self.truncate(length)
            self._position_lead = lead


def synchronize(device: torch.device) -> None:
    """Wait until `device` has finished its work, so that a clock read next is right."""
    if device.type in ("cuda", "mps"):
        getattr(torch, device.type).synchronize()
