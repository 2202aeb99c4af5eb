"""Edit plans: what an erase method will do to the cache of a context, as data.

A plan has steps, one forward pass each, and the view by which later tokens attend to the cache. `apply` executes it,
training runs its steps with gradients, and the benchmark reads its cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kveraser_core.cache.view import ALL_SLOTS, Ranges
from kveraser_core.documents.spans import Span, merge_spans
from kveraser_core.engines.batch import Segment
from kveraser_core.methods.edited_order import EditedOrder

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

    Slots from `keep` on are dropped first, where it is given, and `reserved` ones are taken after the context, for
    steps to write over; then come the `steps`; later tokens attend by `view`, to all slots where it is `None`, and
    their positions begin at `next_position`. With `closed` they see the edited text, each token of it at its own
    position, and nothing else. `suffix_tokens` is how many tokens after the first span the steps recompute.
    """

    method: str
    next_position: int
    steps: tuple[Step, ...] = ()
    view: Ranges | None = None
    keep: int | None = None
    reserved: int = 0
    closed: bool = False
    suffix_tokens: int = 0

    @classmethod
    def of(
        cls, method: str, order: EditedOrder, ids: Sequence[int], steps: Sequence[Step], suffix_tokens: int = 0
    ) -> "EditPlan":
        """The plan of `method` by which later tokens see an edited context, that was of `ids`, in `order`."""
        return cls(
            method,
            order.next_position,
            tuple(step for step in steps if step),
            order.view_after(),
            reserved=order.length - len(ids),
            closed=True,
            suffix_tokens=suffix_tokens,
        )

    def overwritten(self, length: int) -> list[Span]:
        """The slots of a cache of `length` slots that the plan changes or drops, sorted, touching ones merged."""
        slots = [slot for step in self.steps for segment in step for slot in segment.slots or ()]
        dropped = [] if self.keep is None else [Span(self.keep, length)]
        return merge_spans([*(Span(slot, slot + 1) for slot in slots if slot < length), *dropped])

    def costs(self, length: int) -> list[StepCost]:
        """What each step needs on a cache of `length` slots."""
        end, found = length + self.reserved if self.keep is None else self.keep, list[StepCost]()
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
    """How many slots a token in `slot` attends to by `view`, besides its own."""
    *before, last = view or ALL_SLOTS
    return sum(part.end - part.start for part in before if part.end is not None) + max(slot - last.start, 0)
