"""What is edited in a document, and what was before each change."""

from collections import deque
from collections.abc import Callable

from kveraser_core.sessions.edited_spans import Edits

HISTORY = 100
"""How many changes can be taken back."""


class History:
    """The edits, and those to go back and forth to; `changed` is called with them after each change."""

    def __init__(self, changed: Callable[[Edits], None]) -> None:
        self.edits: Edits = ()
        self._changed = changed
        self._before: deque[Edits] = deque(maxlen=HISTORY)
        self._after: deque[Edits] = deque(maxlen=HISTORY)

    def change(self, edits: Edits) -> None:
        """Make `edits` what is edited; nothing where they are already."""
        if edits != self.edits:
            self._before.append(self.edits)
            self._after.clear()
            self.edits = edits
            self._changed(edits)

    @property
    def previous(self) -> Edits:
        """The edits before the last change; there must be one."""
        return self._before[-1]

    @property
    def following(self) -> Edits:
        """The edits after the change that was taken back last; there must be one."""
        return self._after[-1]

    @property
    def can_undo(self) -> bool:
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        return bool(self._after)

    def undo(self) -> None:
        """Take the last change back; there must be one."""
        self._after.append(self.edits)
        self.edits = self._before.pop()
        self._changed(self.edits)

    def redo(self) -> None:
        """Make the change again that was taken back last; there must be one."""
        self._before.append(self.edits)
        self.edits = self._after.pop()
        self._changed(self.edits)
