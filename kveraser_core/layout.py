"""How the slots of a cache are read: which of them, and from which distance.

RoPE depends on the distance between a query and a key only, so instead of moving the keys before a gap
towards it, queries are turned back by the gap's length when they read them: the gap is closed, no key is
touched, and nothing is done that grows with the context.
"""

from dataclasses import dataclass

from torch import Tensor

from kveraser_core.rope import KeyRotation


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


def laid_out(keys: Tensor, layout: Layout | None) -> Tensor:
    """`keys`, a fresh view, carrying the layout that attention is to read them by.

    Between a cache and the attention function transformers passes nothing but the tensors, so the layout
    goes with the keys; that way `generate` and every other caller of the model reads an edited cache right.
    """
    keys.kv_layout = layout  # type: ignore[attr-defined]
    return keys


def layout_of(keys: Tensor) -> Layout | None:
    """The layout that `keys` carry."""
    return getattr(keys, "kv_layout", None)
