"""The exact cache of a session: what full recompute gives, prefilled chunk by chunk beside the context's own cache.

A worker prefills it in the background while nobody wants the model; who cannot wait finishes it in the foreground.
Chunks that are still right after a change are kept, wherever they are.
"""

import threading
import time
from collections.abc import Callable

import torch

from kveraser_core.cache.editable_cache import EditableCache, synchronize
from kveraser_core.documents.spans import Span
from kveraser_core.engines.batch import Segment
from kveraser_core.methods import REFERENCE
from kveraser_core.methods.apply import EditedCache
from kveraser_core.model.generation import Cancelled
from kveraser_core.model.model_lock import Interrupted
from kveraser_core.sessions.context import Context
from kveraser_core.sessions.edited_spans import Edits
from kveraser_core.sessions.exact_target import Chunk, Target
from kveraser_core.sessions.exactness import Exactness
from kveraser_core.sessions.lock import SessionLock
from kveraser_core.sessions.memory import free_bytes
from kveraser_core.sessions.pace import Pace, Watch
from kveraser_core.sessions.worker import WORKER, Step

_COPIED = 256
"""Slots that are copied at a time."""


class ExactCache:
    """A second cache of one context, made when it is first needed; a `Job` of the worker."""

    def __init__(self, context: Context, lock: SessionLock, soon: bool) -> None:
        self._context, self._lock, self._soon = context, lock, soon
        self._pace = Pace(context.seconds_a_token)
        self._target: Target | None = None
        self._made: Target | None = None
        self._filling = threading.Lock()
        self._cache: EditableCache | None = None
        self._copied = 0
        self._held: dict[Span, tuple[bytes, float]] = {}
        self._hurried = False
        self._no_room = False
        self._kept = False
        self._error: Exception | None = None

    @property
    def soon(self) -> bool:
        """Whether the cache is made in the background after each change."""
        return self._soon

    @soon.setter
    def soon(self, soon: bool) -> None:
        self._kept = self._kept or self._soon
        self._soon = soon
        self._start()

    def keep(self) -> None:
        """Keep what was made for the edits of now, though it is not made soon."""
        self._kept = True

    def stop(self) -> None:
        """Make it in the background no more."""
        self._soon = False

    def want(self, edits: Edits) -> None:
        """Make the cache that is exact with `edits` made: what is to be made, until others are named."""
        target = self._target
        if target and (target.edits, target.context_tokens) == (edits, len(self._context.ids)):
            return
        self._target = Target.of(self._context.ids, edits, self._context.backbone) if edits else None
        self._kept = self._soon
        self._error = None
        if self._filling.acquire(blocking=False):  # else the worker looks, once it has stopped
            try:
                self._finish_if_made()
            finally:
                self._filling.release()
        self._start()

    def ready(self, edits: Edits) -> bool:
        """Whether the cache is there that is exact with `edits` made."""
        target = self._target
        return target is not None and target is self._made and target.edits == edits

    @property
    def state(self) -> Exactness:
        """How far it is."""
        target = self._target
        if target is None or target is self._made:
            return Exactness("exact")
        held = dict(self._held)
        done = sum(len(chunk.ids) for chunk in target.chunks if held.get(chunk.slots, _NONE)[0] == chunk.key)
        if self._error:
            return Exactness("failed", done, target.tokens, reason=str(self._error))
        if not self._soon:
            return Exactness("off", done, target.tokens)
        if self._no_room:
            return Exactness("waiting", done, target.tokens)
        rate = self._pace.seconds_a_token
        return Exactness("working", done, target.tokens, rate and rate * (target.tokens - done))

    @property
    def seconds(self) -> float:
        """How long the model took for all of it, whenever that was."""
        made = self._made
        return sum(self._held[chunk.slots][1] for chunk in made.chunks) if made else 0.0

    def edited(
        self,
        edits: Edits,
        progress: Callable[[int, int], object] = lambda done, total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> EditedCache:
        """The cache that is exact with `edits` made; what is missing of it is made in this thread.

        The session's lock is held and no edit is in force. `progress` as in `prefill`. Raises `Cancelled`, and
        wanted is then what was wanted before.
        """
        before = self._target
        self.want(edits)
        try:
            self._finish(progress, cancelled)
        except BaseException:
            self.want(before.edits if before else ())
            raise

        def release() -> None:
            if not self._soon and not self._kept:
                self._free()

        return EditedCache(self._filled, REFERENCE, self._filled.memory_bytes, closed=True, release=release)

    def _finish(self, progress: Callable[[int, int], object], cancelled: Callable[[], bool]) -> None:
        self._hurried = True
        try:
            with self._filling:
                while (target := self._target) and not self._finish_if_made():
                    if cancelled():
                        raise Cancelled("Waiting for the exact answer was cancelled: ask again to go on.")
                    if self._copied < target.start:
                        self._copy(target)
                    else:
                        self._fill(self._missing(target), self._run)
                    state = self.state
                    progress(state.done, state.total)
        finally:
            self._hurried = False
            self._start()

    def _free(self) -> None:
        with self._filling:
            self._forget(Span(0, self._context.cache.capacity))
            self._cache = self._made = None

    def step(self) -> Step:
        if not self._filling.acquire(blocking=False):
            return "wait"
        try:
            return self._step()
        except Interrupted:
            return "more"
        except Exception as error:
            self._error = error
            raise
        finally:
            self._filling.release()

    def _step(self) -> Step:
        target = self._target
        if not target or self._stopped(target) or self._finish_if_made():
            return "done"
        self._no_room = not self._cache and self._context.cache.memory_bytes > free_bytes(self._device) / 2
        if self._no_room:
            return "wait"
        if self._copied < target.start:
            with self._lock.tried() as free:  # then no edit writes over the context's slots
                if free and target is self._target:
                    self._copy(target)
                return "more" if free else "wait"
        chunk = self._missing(target)
        self._fill(chunk, lambda segment: self._run_in_background(segment, lambda: self._unwanted(chunk)))
        return "done" if self._finish_if_made() else "more"

    @property
    def _device(self) -> torch.device:
        return self._context.backbone.device

    @property
    def _filled(self) -> EditableCache:
        assert self._cache is not None
        return self._cache

    def _start(self) -> None:
        target = self._target
        if target and not self._stopped(target):
            WORKER.add(self)

    def _stopped(self, target: Target) -> bool:
        return not self._soon or self._hurried or self._error is not None or target is self._made

    def _unwanted(self, chunk: Chunk) -> bool:
        target = self._target
        return target is None or self._stopped(target) or chunk not in target.chunks

    def _finish_if_made(self) -> bool:
        """Whether all is held that is wanted; the cache is ready then."""
        target = self._target
        if target is self._made:
            return True
        if target is None or self._copied < target.start or self._missing_or_none(target):
            return False
        self._forget(Span(target.length, self._filled.capacity))  # questions are written there
        self._set_length(target.length)
        self._made = target
        return True

    def _missing_or_none(self, target: Target) -> Chunk | None:
        wrong = (chunk for chunk in target.chunks if self._held.get(chunk.slots, _NONE)[0] != chunk.key)
        return next(wrong, None)

    def _missing(self, target: Target) -> Chunk:
        chunk = self._missing_or_none(target)
        assert chunk
        return chunk

    def _copy(self, target: Target) -> None:
        """Copy some of the context's slots before `target`'s chunks."""
        if self._cache is None:
            self._cache = self._context.cache.another(self._context.cache.capacity)
        slots = Span(self._copied, min(self._copied + _COPIED, target.start))
        self._forget(slots)
        self._cache.write(self._context.cache.slots(slots.start, slots.end))
        self._copied = slots.end

    def _fill(self, chunk: Chunk, run: Callable[[Segment], float]) -> None:
        """Prefill `chunk`; `run` makes a pass and returns its seconds."""
        self._forget(chunk.slots)
        self._set_length(chunk.slots.start)
        seconds, at = 0.0, 0
        while at < len(chunk.ids):
            some = chunk.ids[at : at + self._pace.tokens]
            seconds, at = seconds + run(Segment(some)), at + len(some)
        self._held[chunk.slots] = chunk.key, seconds

    def _run(self, segment: Segment) -> float:
        started = time.perf_counter()
        self._context.backbone.forward([segment], self._filled, 0)
        synchronize(self._device)
        return time.perf_counter() - started

    def _run_in_background(self, segment: Segment, unwanted: Callable[[], bool]) -> float:
        backbone = self._context.backbone
        with backbone.lock.in_background(unwanted) as give_way:
            watch = Watch(give_way)
            backbone.engine.forward([segment], self._filled, 0, watch)
            synchronize(self._device)
            watch.stop()
        # Elsewhere than on a CPU layers are only queued between two moments of giving way.
        longest = watch.longest_s if self._device.type == "cpu" else watch.seconds
        self._pace.note(len(segment.ids), watch.seconds, longest)
        return watch.seconds

    def _forget(self, slots: Span) -> None:
        """The `slots` are about to be overwritten."""
        self._made = None
        self._copied = min(self._copied, slots.start)
        kept = {span: made for span, made in self._held.items() if span.end <= slots.start or slots.end <= span.start}
        self._held = kept

    def _set_length(self, length: int) -> None:
        cache = self._filled
        for layer in cache.editable:
            layer.length = length
        cache.next_position = length


_NONE = b"", 0.0
