"""Which suffix tokens to recompute: those whose states took most from the span.

The states that a span leaves behind it are known only by recomputing them, but where they are can be told
from the tokens. The first tokens behind the span say what stood before them. Ends of lines and sentences
gather what was said so far. Names that are rare in the document carry what the span said of them. And where
the suffix repeats words of the span, the model expected them to go on as they did there (induction heads,
Olsson et al. 2022, arXiv 2209.11895), so the end of such an *echo* and what follows hold the span's
continuation, which is just what a contradicting passage is erased for. A sentence that says again much of what
the span said is read as a whole by a question about it, so all of it counts.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from kveraser_core.documents.spans import Span
from kveraser_core.model.backbone import Backbone

_SEAM = 16
"""Tokens directly behind a span that are always among the stalest: questions about the seam read just these."""
_FACTOR = 5011
_RARE = 4
"""A token that occurs at most so often in the document is rare."""


def stale_tokens(backbone: Backbone, ids: Sequence[int], span: Span, taken: Sequence[Span], k: int) -> list[int]:
    """The `k` stalest slots after `span` that are not `taken`, in order, or all where there are fewer."""
    free = torch.ones(len(ids), dtype=torch.bool)
    for other in taken:
        free[other.start : other.end] = False
    free = free[span.end :]
    scores = staleness(backbone, torch.tensor(ids), span)
    scores[:_SEAM] += 1
    scores.masked_fill_(~free, -torch.inf)
    chosen = scores.topk(min(k, int(free.sum()))).indices + span.end
    return sorted(chosen.tolist())


def staleness(backbone: Backbone, ids: Tensor, span: Span) -> Tensor:
    """How far the states of each token behind `span` are expected to be from what they should be: `[suffix]`.

    The unit is about the share of a state's length. The weights were fitted by least squares to the states
    of SmolLM2-135M behind 47 spans of training text, where the 32 tokens chosen by them hold nine tenths
    of what the 32 best would; that of a sentence's echoes by the answers behind 90 others.
    """
    suffix, inside = ids[span.end :], ids[span.start : span.end]
    distance = torch.arange(len(suffix))
    ends = [ends[suffix] for ends in backbone.breaks]
    line, sentence = (places.float() for places in ends)
    repeated = torch.isin(suffix, inside)
    rare = repeated & (torch.bincount(ids)[suffix] <= _RARE)
    new = repeated & ~torch.isin(suffix, ids[: span.start])
    echo = {length: _echoes(suffix, inside, length) for length in (2, 3, 5)}
    return (
        0.21 * (distance == 0)
        + 0.08 * (distance == 1)
        + 0.24 * torch.exp(-distance / 8)
        + 0.14 * torch.exp(-distance / 100)
        + line * (0.06 + 0.09 * torch.exp(-distance / 100))
        + sentence * (0.03 + 0.12 * torch.exp(-distance / 60))
        + 0.07 * rare
        + 0.07 * new
        + 0.02 * echo[2]
        + 0.07 * echo[3]
        + 0.21 * echo[5]
        + 0.04 * _behind(echo[3], 3)
        + 0.06 * _behind(echo[5], 10)
        + 0.6 * _said_again(echo[3], ends[0] | ends[1])
    )


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


def _behind(places: Tensor, reach: int) -> Tensor:
    """Where one of `places` is at most `reach` tokens before, but which are none themselves."""
    near = torch.zeros_like(places)
    for step in range(1, min(reach, len(places) - 1) + 1):
        near[step:] |= places[:-step]
    return near & ~places
