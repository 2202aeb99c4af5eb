"""The states of a session's cache, and how they are compared."""

import torch

OLD = "An old rule said that the toll is fourteen silver coins for every mast."


def states(session):
    cache = session._active.edited.cache if session._active else session._context.cache
    return [tensor.clone() for layer in cache.editable for tensor in layer.filled()]


def same(left, right):
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))
