"""A context with the edit in force, and the exact cache that takes its place once it is made."""

import time
from collections.abc import Callable
from typing import Any

from kveraser_core.cache.editable_cache import synchronize
from kveraser_core.methods import REFERENCE, default_method, get_method, make_plan
from kveraser_core.methods.apply import apply
from kveraser_core.sessions.active_edit import ActiveEdit
from kveraser_core.sessions.context import Context
from kveraser_core.sessions.edited_spans import Edits
from kveraser_core.sessions.exact import ExactCache
from kveraser_core.sessions.exactness import Exactness
from kveraser_core.sessions.history import History
from kveraser_core.sessions.lock import SessionLock


class EditedContext:
    """A context and its edits. With `exact_soon` each change of them is recomputed in the background."""

    def __init__(self, context: Context, exact_soon: bool) -> None:
        self._context = context
        self.backbone = context.backbone
        self._lock = SessionLock()
        self._exact = ExactCache(context, self._lock, exact_soon)
        self._history = History(self._exact.want)
        self._active: ActiveEdit | None = None

    @property
    def default_method(self) -> str:
        """The method that is used where none is named."""
        return default_method(self.backbone)

    @property
    def exactness(self) -> Exactness:
        """How near the answers are to exact ones, where no method is named."""
        return self._exact.state

    @property
    def exact_soon(self) -> bool:
        """Whether changes are recomputed in the background; what was begun is kept where that is switched off."""
        return self._exact.soon

    @exact_soon.setter
    def exact_soon(self, soon: bool) -> None:
        self._exact.soon = soon

    def make_exact(
        self,
        progress: Callable[[int, int], object] = lambda done, total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wait until what is erased is recomputed exactly, and keep that. Raises `Cancelled`, and as `load`."""
        with self._lock.held():
            self._apply(REFERENCE, self._history.edits, progress=progress, cancelled=cancelled)
            self._exact.keep()

    @property
    def tokens(self) -> int:
        """How many tokens the model has read: the prompt's opening and the document, erased passages included."""
        return len(self._context.ids)

    @property
    def used_bytes(self) -> int:
        """Bytes of the states of `tokens`."""
        return self._context.cache.used_bytes

    @property
    def memory_bytes(self) -> int:
        """Bytes that the session's cache takes, with the room that it keeps for questions and answers."""
        return self._context.cache.memory_bytes

    @property
    def can_undo(self) -> bool:
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        return self._history.can_redo

    @property
    def method_now(self) -> str:
        """The method that answers a question which names none: the default, full recompute once that was done."""
        return REFERENCE if self._exact.ready(self._history.edits) else self.default_method

    def _apply(self, method: str, edits: Edits, asking: bool = False, **watched: Any) -> ActiveEdit:
        """The edit by `method`, made unless it is in force already; a step may be left pending if `asking`.

        Full recompute is `watched` by `progress` and `cancelled`.
        """
        active = self._active
        if active and (active.method, active.edits) == (method, edits):
            return active
        started = time.perf_counter()
        plan = make_plan(get_method(method), self._context.ids, edits, self.backbone)
        self._release()
        if edits and get_method(method).name == REFERENCE:
            edited = self._exact.edited(edits, **watched)
        else:
            edited = apply(plan, self._context.cache, self.backbone, defer=asking)
            synchronize(self.backbone.device)
        waited = time.perf_counter() - started
        seconds = waited if asking or edited.cache is self._context.cache else self._exact.seconds
        self._active = ActiveEdit(method, edits, edited, seconds, fused=bool(edited.pending))
        return self._active

    def _release(self) -> float:
        if self._active:
            self._active.edited.release()
            self._active = None
        return 0.0
