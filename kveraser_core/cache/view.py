"""The attention view: which slots of a cache later tokens attend to, and at which relative positions.

RoPE depends on the distance between a query and a key only. So a gap is closed without touching a key: queries are
rotated by the gap's length when they attend to what stands before it, at a cost that does not grow with the context.
"""

from dataclasses import dataclass
from typing import Any, NoReturn

from torch import Tensor

from kveraser_core.cache.rotation import KeyRotation
from kveraser_core.errors import KVEraserError


class UnreadableKeys(KVEraserError):
    """An attention that does not know which slots of an edited cache are erased."""


_UNREADABLE = (
    "This cache has an erased passage, which the model's attention would still read: call "
    'model.set_attn_implementation("kveraser") first, or ask through the session.'
)


@dataclass(frozen=True)
class SlotRange:
    """The slots `[start, end)`, attended to as if they were `shift` positions further on.

    Without an `end` the range goes on to the newest slot.
    """

    start: int
    end: int | None = None
    shift: int = 0


Ranges = tuple[SlotRange, ...]
"""The slots that are attended to, in the order of the text, which need not be theirs; all others are hidden.

The last range has no end, and in it a token attends to the slots up to its own. All of the others comes before it.
"""
ALL_SLOTS: Ranges = (SlotRange(0),)


@dataclass(frozen=True)
class AttentionView:
    """The `ranges` of a cache that tokens attend to.

    Keys of new tokens are stored where those of the last range are, so that they continue it. `queries`, `[n]`, are
    the slots of a pass's tokens, in order, where these are not the last ones.
    """

    rotation: KeyRotation
    ranges: Ranges
    queries: Tensor | None = None

    def stored(self, keys: Tensor, layer: int) -> Tensor:
        """The keys of new tokens as they are stored: without the shift that the last range adds to them."""
        return self.rotation.shift(keys, layer, -self.ranges[-1].shift)


class ViewedKeys:
    """The keys of a cache that has a view, `[1, kv_heads, length, head_dim]`, for an attention that honours it.

    It is no tensor on purpose: an attention that ignores the view would attend to erased slots. It raises
    `UnreadableKeys` instead, whatever it does with them.
    """

    def __init__(self, keys: Tensor, view: AttentionView) -> None:
        self.keys, self.view = keys, view

    @classmethod
    def __torch_function__(cls, *_: object, **__: object) -> NoReturn:
        raise UnreadableKeys(_UNREADABLE)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name.endswith("__"):  # asked by Python itself, when it copies
            raise AttributeError(name)
        raise UnreadableKeys(_UNREADABLE)

    def __getitem__(self, key: object) -> NoReturn:
        raise UnreadableKeys(_UNREADABLE)


def viewed(keys: Tensor, view: AttentionView | None) -> Any:
    """What an attention gets: `keys` themselves, or `ViewedKeys` where there is a `view`."""
    return keys if view is None else ViewedKeys(keys, view)
