"""What an exact cache is to hold: the chunks of full recompute, each with a key that tells whether it is held."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from kveraser_core.documents.spans import Span
from kveraser_core.methods import REFERENCE, get_method
from kveraser_core.methods.apply import chunks
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.history import Spans


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
    """The exact cache without `spans`: the context's own slots up to `start`, and chunks after them."""

    spans: Spans
    context_tokens: int
    start: int
    chunks: tuple[Chunk, ...]

    @classmethod
    def of(cls, ids: Sequence[int], spans: Spans, backbone: Backbone) -> "Target":
        """What full recompute makes of a context of the tokens `ids`; there is at least one span."""
        plan = get_method(REFERENCE).plan(ids, spans, backbone)
        start = end = len(ids) if plan.keep is None else plan.keep
        hashed = _hash(b"", ids[:start])
        made = list[Chunk]()
        for segment in (part for step in plan.steps for whole in step for part in chunks(whole)):
            slots = Span(end, end + len(segment.ids))
            hashed, end = _hash(hashed, segment.ids), slots.end
            made.append(Chunk(slots, segment.ids, hashed))
        return cls(spans, len(ids), start, tuple(made))

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
