"""Who works in the background: one thread for the process, which takes a step of each job in turn.

The thread lives while there are jobs. It holds none of them alive: a session that is dropped takes its job along.
"""

import atexit
import logging
import threading
import weakref
from collections import deque
from typing import Literal, Protocol

Step = Literal["more", "wait", "done"]
"""What a job says after a step: there is more to do, there is but not now, or there is none."""
_PAUSE_S = 0.02
"""Seconds until jobs are asked again of which none could do anything."""
_END_S = 5.0
_log = logging.getLogger(__name__)


class Job(Protocol):
    """Work that is done in steps; a step ends soon after `stop`."""

    def step(self) -> Step: ...

    def stop(self) -> None: ...


class Worker:
    """Jobs in the order in which they have their next step."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[weakref.ref[Job]] = deque()
        self._working: weakref.ref[Job] | None = None
        self._thread: threading.Thread | None = None
        self._ending = False

    def add(self, job: Job) -> None:
        """See to it that `job` is worked on until it is done."""
        with self._lock:
            if self._ending:
                return
            self._queue(weakref.ref(job))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kveraser-background", daemon=True)
                self._thread.start()

    def end(self) -> None:
        """Take no more steps; returns when the last one is over."""
        with self._lock:
            self._ending = True
            thread, job = self._thread, self._working and self._working()
        if job:
            job.stop()
        if thread:
            thread.join(_END_S)

    def _queue(self, job: "weakref.ref[Job]") -> None:
        if job not in self._waiting:
            self._waiting.append(job)

    def _run(self) -> None:
        idle, pause = 0, threading.Event()
        while job := self._next():
            said = _step(job)
            with self._lock:
                if said != "done":
                    self._queue(job)
                idle = idle + 1 if said == "wait" else 0
                resting = idle >= len(self._waiting) > 0
            if resting:
                pause.wait(_PAUSE_S)

    def _next(self) -> "weakref.ref[Job] | None":
        with self._lock:
            self._working = self._waiting.popleft() if self._waiting and not self._ending else None
            if self._working is None:
                self._thread = None
            return self._working


def _step(known: "weakref.ref[Job]") -> Step:
    job = known()
    try:
        return job.step() if job else "done"
    except Exception:
        _log.exception("work in the background failed")
        return "done"


WORKER = Worker()
atexit.register(WORKER.end)  # a thread in the midst of a pass would crash an interpreter that ends
