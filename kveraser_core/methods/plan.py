"""Edit plans: what an erase method will do to the cache of a context, as data.

A plan has steps, one forward pass each, and the view by which later tokens attend to the cache. `apply` executes it,
training runs its steps with gradients, and the benchmark reads its cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from kveraser_core.cache.view import ALL_SLOTS, Ranges, SlotRange
from kveraser_core.documents.spans import Span, merge_spans
from kveraser_core.engines.batch import Segment

Step = tuple[Segment, ...]
"""What goes through the model in one forward pass; of a long step the executor makes several."""


class StepCost(NamedTuple):
    """What a step needs: for each run of consecutive tokens their number and that of the slots before that they
    attend to, and the number of tokens with the eraser on."""

    runs: tuple[tuple[int, int], ...]
    eraser_tokens: int


@dataclass(frozen=True)
class EditPlan:
    """What the erase method `method` does to a context's cache.

    Slots from `keep` on are dropped first, where it is given; then come the `steps`; later tokens attend by `view`,
    to all slots where it is `None`, and their positions begin at `next_position`. `suffix_tokens` is how many tokens
    after the first span the steps recompute.
    """

    method: str
    next_position: int
    steps: tuple[Step, ...] = ()
    view: Ranges | None = None
    keep: int | None = None
    suffix_tokens: int = 0

    def overwritten(self, length: int) -> list[Span]:
        """The slots of a cache of `length` slots that the plan changes or drops, sorted, touching ones merged."""
        slots = [slot for step in self.steps for segment in step for slot in segment.slots or ()]
        dropped = [] if self.keep is None else [Span(self.keep, length)]
        return merge_spans([*(Span(slot, slot + 1) for slot in slots), *dropped])

    def costs(self, length: int) -> list[StepCost]:
        """What each step needs on a cache of `length` slots."""
        end, found = length if self.keep is None else self.keep, list[StepCost]()
        for step in self.steps:
            runs = list[tuple[int, int]]()
            for segment in step:
                view = segment.view
                if segment.slots is None:
                    slots, view, end = [Span(end, end + len(segment.ids))], ALL_SLOTS, end + len(segment.ids)
                else:
                    slots = merge_spans(Span(slot, slot + 1) for slot in segment.slots)
                runs += [(len(run), attended(view, run.start)) for run in slots]
            found.append(StepCost(tuple(runs), sum(len(segment.ids) for segment in step if segment.eraser)))
        return found


def attended(view: Ranges | None, slot: int) -> int:
    """How many slots before `slot` are attended to by `view`."""
    ends = [(part.start, slot if part.end is None else min(part.end, slot)) for part in view or ALL_SLOTS]
    return sum(max(end - start, 0) for start, end in ends)


def kept_spans(spans: Sequence[Span], length: int) -> list[Span]:
    """The slots before, between and after `spans`; the last may be empty."""
    starts = [0, *(span.end for span in spans)]
    ends = [*(span.start for span in spans), length]
    return [Span(start, end) for start, end in zip(starts, ends, strict=True)]


def kept_ids(ids: Sequence[int], spans: Sequence[Span]) -> list[int]:
    """The tokens outside `spans`."""
    return [token for span in kept_spans(spans, len(ids)) for token in ids[span.start : span.end]]


def suffix_tokens(ids: Sequence[int], spans: Sequence[Span]) -> int:
    """How many tokens of the suffix are kept: those after the first span outside all spans."""
    return sum(map(len, kept_spans(spans, len(ids))[1:]))


def closed_view(hidden: Sequence[Span], slot: int) -> Ranges:
    """The slots but `hidden` ones, their gaps closed, for tokens that overwrite slots from `slot` on.

    Such a token has the position of its slot. So what is before a gap is attended to as if it were as much nearer.
    """
    before = [span for span in hidden if span.end <= slot]
    starts = [0, *(span.end for span in before)]
    gaps = [sum(map(len, before[number:])) for number in range(len(before))]
    ranges = [SlotRange(start, span.start, gap) for start, span, gap in zip(starts, before, gaps, strict=False)]
    return (*ranges, SlotRange(starts[-1]))


def question_view(hidden: Sequence[Span], length: int) -> Ranges:
    """The slots but `hidden` ones, their gaps closed, for a question after a context of `length` slots.

    A question has the positions that it would have if the spans had never been there.
    """
    gap = sum(map(len, hidden))
    return tuple(replace(part, shift=part.shift - gap) for part in closed_view(hidden, length))
