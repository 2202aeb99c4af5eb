"""In which slots an edited text stands, in the order of the text, and the attention views that follow.

New text is written over its span's slots. What does not fit there goes into slots after the context: so no token
of the suffix is moved, whatever the length of the new text, and the order of the text is no longer that of the
slots. A view has its ranges in the order of the text. RoPE depends on distances only, so that each range needs but
a shift.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from kveraser_core.cache.view import Ranges, SlotRange
from kveraser_core.documents.spans import Span
from kveraser_core.engines.batch import Segment
from kveraser_core.methods.edits import Edit


class Run(NamedTuple):
    """Consecutive slots; in the edited text the first of their tokens has the position `position`."""

    slots: Span
    position: int

    @property
    def lead(self) -> int:
        """How much further on the slots are than the positions."""
        return self.slots.start - self.position


@dataclass(frozen=True)
class EditedOrder:
    """The `runs` of slots of an edited text, in its order.

    `places` are, for each edit, the slots of its new text: some of its span's, and some after the context. The
    edited context has `length` slots, and `next_position` comes after it.
    """

    runs: tuple[Run, ...]
    places: tuple[tuple[Span, Span], ...]
    length: int
    next_position: int

    @classmethod
    def of(cls, edits: Sequence[Edit], length: int, close_gaps: bool = True) -> "EditedOrder":
        """The order of a context of `length` slots after `edits`.

        Without `close_gaps` all stays at its position, for edits that need no slots after the context.
        """
        pieces, places = list[Span](), list[tuple[Span, Span]]()
        at, end = 0, length
        for edit in edits:
            inside = min(len(edit.ids), len(edit.span))
            own = Span(edit.span.start, edit.span.start + inside)
            places.append((own, Span(end, end + len(edit.ids) - inside)))
            pieces += [Span(at, edit.span.start), *places[-1]]
            at, end = edit.span.end, places[-1][1].end
        runs, position = list[Run](), 0
        for piece in [*pieces, Span(at, length)]:
            if not close_gaps:
                position = piece.start
            if runs and runs[-1].slots.end == piece.start:
                before = runs.pop()
                runs.append(Run(Span(before.slots.start, piece.end), before.position))
            elif piece:
                runs.append(Run(piece, position))
            position += len(piece)
        return cls(tuple(runs), tuple(places), end, position)

    def view_from(self, slot: int) -> Ranges:
        """What tokens that overwrite slots from `slot` on, in one run, attend to: all before them in the text.

        Such a token has the position of its slot, and the rest is attended to from there.
        """
        (own,) = [number for number, run in enumerate(self.runs) if run.slots.start <= slot < run.slots.end]
        last = self.runs[own]
        before = [SlotRange(*_ends(run), last.lead - run.lead) for run in self.runs[:own]]
        return (*before, SlotRange(last.slots.start))

    def view_after(self) -> Ranges:
        """What a question after the edited context attends to.

        Its positions begin at `next_position`, and its own slots follow all of the others.
        """
        shown = [SlotRange(*_ends(run), -run.lead) for run in self.runs]
        if self.runs and self.runs[-1].slots.end == self.length:
            return (*shown[:-1], SlotRange(shown[-1].start, None, shown[-1].shift))
        return (*shown, SlotRange(self.length, None, self.next_position - self.length))

    def encoded(self, number: int, edit: Edit, eraser_from: int | None = None) -> tuple[Segment, ...]:
        """The tokens of `edit`, the edit of that `number`, with what is before them in the text as past.

        The eraser is on for those from `eraser_from` on.
        """
        off = len(edit.ids) if eraser_from is None else eraser_from
        segments, done = list[Segment](), 0
        for place in self.places[number]:
            cuts = sorted({0, min(max(off - done, 0), len(place)), len(place)})
            for first, last in pairwise(cuts):
                slots = range(place.start + first, place.start + last)
                ids = edit.ids[done + first : done + last]
                segments.append(Segment(ids, slots, self.view_from(slots.start), eraser=done + first >= off))
            done += len(place)
        return tuple(segments)


def _ends(run: Run) -> tuple[int, int]:
    return run.slots.start, run.slots.end
