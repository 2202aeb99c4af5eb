"""The executor of edit plans: the only place that changes the cache of a context.

It sets aside what a plan overwrites, runs the steps, and can write the originals back bit for bit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.view import AttentionView
from kveraser_core.engines.batch import Segment
from kveraser_core.methods.plan import EditPlan, Step
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import CHUNK


@dataclass
class EditedCache:
    """A context's cache with an edit in force.

    `method` is the one that really ran. `extra_bytes` is what the edit holds besides the context's cache. `release`
    leaves the cache as it was before, bit for bit. A `pending` step is still to be run, before or with the first
    question. `closed` says whether the cache stands for the edited text, as in `EditPlan`.
    """

    cache: EditableCache
    method: str
    extra_bytes: int = 0
    closed: bool = False
    pending: Step = ()
    release: Callable[[], None] = lambda: None


def apply(plan: EditPlan, cache: EditableCache, backbone: Backbone, defer: bool = False) -> EditedCache:
    """Execute `plan` on the cache of a context. With `defer` the last step may be left pending.

    The cache is as it was where something is raised.
    """
    length, next_position = cache.length, cache.next_position
    originals = [cache.slots(run.start, run.end) for run in plan.overwritten(length)]

    def release() -> None:
        cache.view = None
        cache.truncate(min(length, cache.length))
        for original in originals:
            cache.write(original)
        cache.next_position = next_position

    steps = list(plan.steps)
    pending = steps.pop() if defer and steps and fits_a_question(steps[-1]) else ()
    try:
        if plan.keep is not None:
            cache.truncate(plan.keep)
        cache.reserve(plan.reserved)
        for step in steps:
            run_step(step, cache, backbone)
    except BaseException:
        release()
        raise
    cache.view = None if plan.view is None else AttentionView(cache.rotation, plan.view)
    cache.next_position = plan.next_position
    appended = max(cache.length - length, 0)
    extra = sum(original.nbytes for original in originals) + appended * cache.token_bytes
    return EditedCache(cache, plan.method, extra, plan.closed, pending, release)


def run_step(step: Step, cache: EditableCache, backbone: Backbone) -> None:
    """Run a step, in one forward pass where it has at most `CHUNK` tokens."""
    if sum(len(segment.ids) for segment in step) <= CHUNK:
        backbone.forward(step, cache, 0)
        return
    for segment in step:
        for chunk in chunks(segment):
            backbone.forward([chunk], cache, 0)


def chunks(segment: Segment) -> Iterator[Segment]:
    """The parts, of at most `CHUNK` tokens, in which a long segment goes through the model."""
    for start in range(0, len(segment.ids), CHUNK):
        part = slice(start, start + CHUNK)
        slots = None if segment.slots is None else segment.slots[part]
        yield Segment(segment.ids[part], slots, segment.view, segment.eraser)


def fits_a_question(step: Step) -> bool:
    """Whether a step can go through the model together with a question."""
    return sum(len(part.ids) for part in step) <= CHUNK and all(part.slots is not None for part in step)
