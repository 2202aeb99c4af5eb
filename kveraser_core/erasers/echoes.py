"""Which suffix tokens to recompute: those at the seam, and those that repeat the span.

What the suffix still carries of a span sits in two places. The first tokens behind it say what the token
before them was. And where the suffix repeats words of the span, the model expected them to go on as they
did there (induction heads, Olsson et al. 2022, arXiv 2209.11895): the tokens of such an *echo* hold the
span's continuation, which is exactly what a contradicting passage is erased for.
"""

from collections import defaultdict
from collections.abc import Sequence

from kveraser_core.spans import Span, merge_spans

SHORTEST_ECHO = 5
"""Tokens that a run must share with the span to count as an echo."""
BEFORE, AFTER = 8, 12
"""Tokens recomputed up to the end of an echo's shared run, and behind it."""
SEAM = 12
"""Tokens recomputed at the seam where there are echoes."""


def stale_tokens(ids: Sequence[int], spans: Sequence[Span], which: int, k: int) -> list[Span]:
    """At most `k` slots behind span number `which`, outside all spans, in order.

    `SEAM` of them stand at the seam and the others at the longest echoes; the seam takes what these leave,
    and without echoes all.
    """
    free = _free(spans, which, len(ids))
    echoes = _echoes(ids, spans[which], free)
    chosen = set(free[: min(SEAM, k) if echoes else k])
    places = set(free)
    for end in echoes:
        echo = {slot for slot in range(end - BEFORE, end + AFTER) if slot in places} - chosen
        if len(chosen) + len(echo) <= k:
            chosen |= echo
    for slot in free:
        if len(chosen) >= k:
            break
        chosen.add(slot)
    return merge_spans(Span(slot, slot + 1) for slot in chosen)


def _free(spans: Sequence[Span], which: int, length: int) -> list[int]:
    """The slots behind the span that no span covers."""
    later = spans[which + 1 :]
    return [slot for slot in range(spans[which].end, length) if not any(s.start <= slot < s.end for s in later)]


def _echoes(ids: Sequence[int], span: Span, free: list[int]) -> list[int]:
    """Where runs end that the span has as well, the longest first."""
    places = defaultdict(list)
    for slot in range(span.start, span.end):
        places[ids[slot]].append(slot)
    ends: dict[int, int] = {}
    runs: dict[int, int] = {}
    before = -1
    for slot in free:
        grown = runs if slot == before + 1 else {}
        runs = {at: grown.get(at - 1, 0) + 1 for at in places.get(ids[slot], ())}
        longest = max(runs.values(), default=0)
        if longest >= SHORTEST_ECHO:
            if longest > ends.get(slot, 0):
                ends.pop(slot, None)
            ends[slot + 1] = longest
        before = slot
    return sorted(ends, key=lambda end: (-ends[end], end))
