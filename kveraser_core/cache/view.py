"""How the slots of a cache are read: which of them, and from which distance.

RoPE depends on the distance between a query and a key only, so instead of moving the keys before a gap
towards it, queries are turned back by the gap's length when they read them: the gap is closed, no key is
touched, and nothing is done that grows with the context.
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
class Piece:
    """The slots `[start, end)`, read as if they were `shift` positions further on.

    Without an `end` the piece goes on to the newest slot.
    """

    start: int
    end: int | None = None
    shift: int = 0


@dataclass(frozen=True)
class Layout:
    """The pieces of a cache that are read, in order; slots of no piece are not seen.

    The last piece is open, and keys of new tokens are written where its own are, so that they join it.
    `queries`, `[n]`, are the slots in which the tokens of a pass stand, in order, where these are not the last ones.
    """

    rotation: KeyRotation
    pieces: tuple[Piece, ...]
    queries: Tensor | None = None

    def joining(self, keys: Tensor, layer: int) -> Tensor:
        """The keys of new tokens as the last piece reads them: what it adds to their positions taken off before."""
        return self.rotation.shift(keys, layer, -self.pieces[-1].shift)


@dataclass(frozen=True)
class Rewrite:
    """What an erase reads: the tokens `ids`, seeing by `layout`, write their states over `slots`, in order.

    The eraser is on in it if `erasing`.
    """

    ids: list[int]
    slots: list[int]
    layout: Layout
    erasing: bool = True


class LaidOutKeys:
    """The keys of a cache that has a layout, `[1, kv_heads, length, head_dim]`, for an attention that reads by it.

    It is no tensor on purpose: an attention that knows nothing of layouts would see erased slots. It raises
    `UnreadableKeys` instead, whatever it does with them.
    """

    def __init__(self, keys: Tensor, layout: Layout) -> None:
        self.keys, self.layout = keys, layout

    @classmethod
    def __torch_function__(cls, *_: object, **__: object) -> NoReturn:
        raise UnreadableKeys(_UNREADABLE)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name.endswith("__"):  # asked by Python itself, when it copies
            raise AttributeError(name)
        raise UnreadableKeys(_UNREADABLE)

    def __getitem__(self, key: object) -> NoReturn:
        raise UnreadableKeys(_UNREADABLE)


def laid_out(keys: Tensor, layout: Layout | None) -> Any:
    """What an attention gets to read: `keys` themselves, or `LaidOutKeys` where there is a `layout`."""
    return keys if layout is None else LaidOutKeys(keys, layout)
