"""Erased slots made unreadable: whatever attends to one of them gives NaN."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.session import DocumentSession

ENGINES = ["cpu", "transformers"]
"""The layers as they are written out for the CPU, and the model's own modules, as on other devices."""


def use_engine(backbone: Backbone, engine: str) -> None:
    if engine == "transformers":
        backbone._pass = backbone._row_pass = None


def erased_slots(session: DocumentSession) -> list[int]:
    """The slots of the context that the erased cache in force keeps but may not read."""
    standing = session._standing
    if standing is None or standing.erased.cache.view is None:
        return []
    seen = set()
    for piece in standing.erased.cache.view.ranges:
        end = session.tokens if piece.end is None else piece.end
        seen |= set(range(piece.start, end))
    return sorted(set(range(session.tokens)) - seen)


@contextmanager
def poisoned(session: DocumentSession) -> Iterator[None]:
    """Inside this block the erased slots hold NaN."""
    slots = torch.tensor(erased_slots(session), dtype=torch.long)
    buffers = [buffer for layer in session._standing.erased.cache.editable for buffer in layer.buffers()]
    originals = [buffer[:, :, slots].clone() for buffer in buffers]
    for buffer in buffers:
        buffer[:, :, slots] = torch.nan
    try:
        yield
    finally:
        for buffer, original in zip(buffers, originals, strict=True):
            buffer[:, :, slots] = original
