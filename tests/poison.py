"""Erased slots made unreadable: whatever attends to one of them gives NaN."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import PreTrainedModel

from kveraser_core.engines.engine import VARIABLE
from kveraser_core.sessions.session import DocumentSession
from tests.test_row_pass import SIZES, quantised
from tests.tiny import tiny_model

ENGINES = ["torch"] if os.environ.get(VARIABLE) == "torch" else ["torch", "cpu"]
"""Those that this machine can run."""


def model_for(engine: str, kind: str = "llama") -> PreTrainedModel:
    """A tiny model that runs on `engine`: the compiled kernels know one whose weights were of four bits."""
    return quantised(tiny_model(kind, **SIZES)) if engine == "cpu" else tiny_model(kind)


def hidden_slots(session: DocumentSession) -> list[int]:
    """The slots of the context that the active edit keeps but hides."""
    active = session._active
    if active is None or active.edited.cache.view is None:
        return []
    seen = set()
    for part in active.edited.cache.view.ranges:
        seen |= set(range(part.start, session.tokens if part.end is None else part.end))
    return sorted(set(range(session.tokens)) - seen)


@contextmanager
def poisoned(session: DocumentSession) -> Iterator[None]:
    """Inside this block the hidden slots hold NaN."""
    slots = torch.tensor(hidden_slots(session), dtype=torch.long)
    buffers = [buffer for layer in session._active.edited.cache.editable for buffer in layer.buffers()]
    originals = [buffer[:, :, slots].clone() for buffer in buffers]
    for buffer in buffers:
        buffer[:, :, slots] = torch.nan
    try:
        yield
    finally:
        for buffer, original in zip(buffers, originals, strict=True):
            buffer[:, :, slots] = original
