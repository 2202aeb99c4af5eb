"""What is erased from a document, and what was before each change."""

from collections import deque
from collections.abc import Callable

from kveraser_core.documents.spans import Span

HISTORY = 100
"""How many changes can be taken back."""
Spans = tuple[Span, ...]
"""Slots that are erased: sorted, none overlapping or touching another."""


class History:
    """The erased spans, and those to go back and forth to; `changed` is called with them after each change."""

    def __init__(self, changed: Callable[[Spans], None]) -> None:
        self.spans: Spans = ()
        self._changed = changed
        self._before: deque[Spans] = deque(maxlen=HISTORY)
        self._after: deque[Spans] = deque(maxlen=HISTORY)

    def change(self, spans: Spans) -> None:
        """Make `spans` what is erased; nothing where they are already."""
        if spans != self.spans:
            self._before.append(self.spans)
            self._after.clear()
            self.spans = spans
            self._changed(spans)

    @property
    def can_undo(self) -> bool:
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        return bool(self._after)

    def undo(self) -> None:
        """Take the last change back; there must be one."""
        self._after.append(self.spans)
        self.spans = self._before.pop()
        self._changed(self.spans)

    def redo(self) -> None:
        """Make the change again that was taken back last; there must be one."""
        self._before.append(self.spans)
        self.spans = self._after.pop()
        self._changed(self.spans)
