"""What an exact cache is to hold: the chunks of full recompute, each with a key that tells whether it is held."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from kveraser_core.documents.spans import Span
from kveraser_core.methods import REFERENCE, get_method
from kveraser_core.methods.apply import chunks
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.edited_spans import Edits


@dataclass(frozen=True)
class Chunk:
    """Tokens that are prefilled together into `slots`.

    Chunks have the same `key` whose own and earlier tokens are the same, cut at the same places: their states are
    the same, bit for bit.
    """

    slots: Span
    ids: Sequence[int]
    key: bytes


@dataclass(frozen=True, eq=False)
class Target:
    """The exact cache with `edits` made: the context's own slots up to `start`, and chunks after them."""

    edits: Edits
    context_tokens: int
    start: int
    chunks: tuple[Chunk, ...]

    @classmethod
    def of(cls, ids: Sequence[int], edits: Edits, backbone: Backbone) -> "Target":
        """What full recompute makes of a context of the tokens `ids`; there is at least one edit."""
        plan = get_method(REFERENCE).plan(ids, edits, backbone)
        start = end = len(ids) if plan.keep is None else plan.keep
        hashed = _hash(b"", ids[:start])
        made = list[Chunk]()
        for segment in (part for step in plan.steps for whole in step for part in chunks(whole)):
            slots = Span(end, end + len(segment.ids))
            hashed, end = _hash(hashed, segment.ids), slots.end
            made.append(Chunk(slots, segment.ids, hashed))
        return cls(edits, len(ids), start, tuple(made))

    @property
    def length(self) -> int:
        """How many slots the cache has."""
        return self.chunks[-1].slots.end if self.chunks else self.start

    @property
    def tokens(self) -> int:
        """How many of them are prefilled."""
        return self.length - self.start


def _hash(before: bytes, ids: Sequence[int]) -> bytes:
    return blake2b(before + array("q", ids).tobytes(), digest_size=16).digest()
