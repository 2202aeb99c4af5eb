"""Which suffix tokens to recompute: those whose keys and values took most from the span.

How stale each one is would be known only by recomputing it, but it can be told from the tokens. The first tokens
after the span say what stood before them. Ends of lines and sentences gather what was said so far. Names that are
rare in the document carry what the span said of them. And where the suffix repeats words of the span, the model
expected them to go on as they did there (induction heads, Olsson et al. 2022, arXiv 2209.11895), so the end of such
an *echo* and what follows it hold the span's continuation, which is just what a contradicting passage is erased for.
A sentence that says again much of what the span said is attended to as a whole by a question about it, so all of it
counts.

New text in the span's place is as much a change as the span's going, so that a token is as stale as either makes it.

The weights of these signs are kept beside the eraser, where `train selector` fitted them to its model.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from kveraser_core.documents.spans import Span
from kveraser_core.methods.edits import Edit, edited_ids
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.breaks import Breaks

_SEAM = 16
"""Tokens right after a span that are always among the stalest: questions about the seam attend to just these."""
_RARE = 4
"""A token that occurs at most so often in the document is rare."""
_FACTOR = 5011
"""Of the rolling hash by which echoes are found."""

WEIGHTS = {
    "first token": 0.21,
    "second token": 0.08,
    "near": 0.24,
    "far": 0.14,
    "line end": 0.06,
    "line end, far": 0.09,
    "sentence end": 0.03,
    "sentence end, far": 0.12,
    "rare word of the span": 0.07,
    "word that the span brought": 0.07,
    "echo of 2": 0.02,
    "echo of 3": 0.07,
    "echo of 5": 0.21,
    "after an echo of 3": 0.04,
    "after an echo of 5": 0.06,
    "sentence said again": 0.6,
}
"""Where an eraser brings none: least squares on states of SmolLM2-135M after 47 spans of training text, but the last,
by the answers after 90 others. They are older than `train selector`, which does both for any model."""


def stale_tokens(backbone: Backbone, ids: Sequence[int], edit: Edit, taken: Sequence[Span], k: int) -> list[int]:
    """The `k` stalest slots after an edit's span that are not `taken`, in order, or all where there are fewer."""
    span = edit.span
    free = torch.ones(len(ids), dtype=torch.bool)
    for other in taken:
        free[other.start : other.end] = False
    free = free[span.end :]
    weights = WEIGHTS if backbone.eraser is None else backbone.eraser.selector or WEIGHTS
    scores = staleness(torch.tensor(ids), span, backbone.breaks, weights)
    if edit.ids:
        new = Span(span.start, span.start + len(edit.ids))
        edited = torch.tensor(edited_ids(ids, [edit]))
        scores = scores.maximum(staleness(edited, new, backbone.breaks, weights))
    scores[:_SEAM] += sum(weights.values())
    scores.masked_fill_(~free, -torch.inf)
    chosen = scores.topk(min(k, int(free.sum()))).indices + span.end
    return sorted(chosen.tolist())


def staleness(ids: Tensor, span: Span, breaks: Breaks, weights: Mapping[str, float]) -> Tensor:
    """How far each token's keys and values after `span` are expected to be from what they should be: `[suffix]`.

    The unit is about the share of their length.
    """
    found = signs(ids, span, breaks)
    total = torch.zeros(len(ids) - span.end)
    for name in WEIGHTS:
        total += weights.get(name, 0.0) * found[name]
    return total


def signs(ids: Tensor, span: Span, breaks: Breaks) -> dict[str, Tensor]:
    """What tells of staleness, by name: `[suffix]` each, from 0 to 1."""
    suffix, inside = ids[span.end :], ids[span.start : span.end]
    distance = torch.arange(len(suffix))
    line, sentence = breaks.lines(ids)[span.end :], breaks.sentences(ids)[span.end :]
    repeated = torch.isin(suffix, inside)
    echo = {length: _echoes(suffix, inside, length) for length in (2, 3, 5)}
    found = {
        "first token": distance == 0,
        "second token": distance == 1,
        "near": torch.exp(-distance / 8),
        "far": torch.exp(-distance / 100),
        "line end": line,
        "line end, far": line * torch.exp(-distance / 100),
        "sentence end": sentence,
        "sentence end, far": sentence * torch.exp(-distance / 60),
        "rare word of the span": repeated & (torch.bincount(ids)[suffix] <= _RARE),
        "word that the span brought": repeated & ~torch.isin(suffix, ids[: span.start]),
        "echo of 2": echo[2],
        "echo of 3": echo[3],
        "echo of 5": echo[5],
        "after an echo of 3": _after(echo[3], 3),
        "after an echo of 5": _after(echo[5], 10),
        "sentence said again": _said_again(echo[3], line | sentence),
    }
    return {name: places.float() for name, places in found.items()}


def _echoes(suffix: Tensor, inside: Tensor, length: int) -> Tensor:
    """Where the last `length` tokens stand inside the span as well: `[suffix]`, true or false."""
    found = torch.zeros(len(suffix), dtype=torch.bool)
    if min(len(suffix), len(inside)) >= length:
        found[length - 1 :] = torch.isin(_hashes(suffix, length), _hashes(inside, length))
    return found


def _hashes(ids: Tensor, length: int) -> Tensor:
    """A number for every run of `length` tokens, the same for the same tokens (Rabin and Karp's, modulo 2^64)."""
    return (ids.unfold(0, length, 1) * torch.tensor([_FACTOR**place for place in range(length)])).sum(-1)


def _said_again(echo: Tensor, ends: Tensor) -> Tensor:
    """For each token the share of its sentence that ends an echo, where sentences end at `ends`: `[suffix]`."""
    sentence = ends.long().cumsum(0) - ends.long()
    return (torch.bincount(sentence, echo.float()) / torch.bincount(sentence).clamp(min=4))[sentence]


def _after(places: Tensor, reach: int) -> Tensor:
    """Where one of `places` is at most `reach` tokens before, but which are none themselves."""
    near = torch.zeros_like(places)
    for step in range(1, min(reach, len(places) - 1) + 1):
        near[step:] |= places[:-step]
    return near & ~places
