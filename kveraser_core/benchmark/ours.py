"""The project's own erase methods, and a fresh prefill of what is left."""

import time
from collections.abc import Sequence

from kveraser_core.benchmark.contender import DECODED, HEADROOM, QUESTION, Contender, Sample
from kveraser_core.benchmark.limits import Block, ModelSize, StepWork, Work
from kveraser_core.cache.editable_cache import EditableCache, synchronize
from kveraser_core.documents.spans import Span
from kveraser_core.methods import get_method, make_plan
from kveraser_core.methods.apply import EditedCache, apply, fits_a_question, run_step
from kveraser_core.methods.edits import Edit, edited_ids
from kveraser_core.methods.plan import EditPlan, StepCost, attended
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Generated, Sampling, generate, prefill
from kveraser_core.model.prompts import Prompt
from kveraser_core.sessions.context import Context

FRESH = "fresh_prefill"
_WARM_TOKENS, _WARM_SPAN = 300, Span(100, 150)


class Ours(Contender):
    """Erase methods by name, and `fresh_prefill`, all over one context of one backbone.

    The backbone's end tokens are taken from it, so that every answer has the same length.
    """

    program = "kveraser"

    def __init__(self, backbone: Backbone, ways: Sequence[str]) -> None:
        backbone.end_ids = frozenset()
        self.backbone = backbone
        self.ways = list(ways)
        self.size = ModelSize.of(backbone)
        self.prompt = Prompt(backbone)
        self.question_ids = self.prompt.question_ids(QUESTION)
        self.context: Context | None = None

    def prepare(self, ids: Sequence[int]) -> str:
        self.read(ids[:_WARM_TOKENS])
        for way in self.ways:
            self.run(way, _WARM_SPAN)
        return f"{self.backbone.name}, {self.backbone.model.dtype} on {self.backbone.device}"

    def read(self, ids: Sequence[int]) -> float:
        self.free()
        cache = self.backbone.new_cache(len(ids) + HEADROOM)
        started = time.perf_counter()
        prefill(self.backbone, ids, cache)
        synchronize(self.backbone.device)
        self.context = Context(self.backbone, self.prompt, list(ids), len(self.prompt.head_ids), cache)
        return time.perf_counter() - started

    def free(self) -> None:
        self.context = None

    def beyond_window(self, length: int) -> bool:
        """Whether question and answer after `length` tokens end beyond the model's window."""
        return length + len(self.question_ids) + DECODED + 1 > self.backbone.window

    def prefill_work(self, length: int) -> Work:
        """What reading a context of `length` tokens needs."""
        return self.size.reading([Block(length, 0)])

    def run(self, way: str, span: Span) -> Sample:
        context = self.context
        assert context is not None
        begun, seconds = self._begin(way, span)
        step, erase_s = begun.pending, seconds
        sampling = Sampling(max_tokens=DECODED + 1)
        *_, answer = generate(self.backbone, begun.cache, self.question_ids, sampling, step)
        assert isinstance(answer, Generated)
        work = self._work(way, context, span, begun.cache)
        begun.release()
        if step:
            alone, erase_s = self._begin(way, span)
            started = time.perf_counter()
            run_step(step, alone.cache, self.backbone)
            synchronize(self.backbone.device)
            erase_s += time.perf_counter() - started
            alone.release()
        return Sample(
            erase_s=erase_s,
            ttft_s=seconds + answer.question_prefill_s + answer.first_token_s,
            decode_tokens_per_s=answer.decode_tokens_per_s or 0.0,
            token_ids=answer.token_ids,
            work=work,
        )

    def _begin(self, way: str, span: Span) -> tuple[EditedCache, float]:
        """The edit, without a step that is left for the question, and the seconds it took."""
        assert self.context is not None
        started = time.perf_counter()
        if way == FRESH:
            begun = _fresh(self.context, span)
        else:
            begun = apply(self._plan(way, self.context, span), self.context.cache, self.backbone, defer=True)
        synchronize(self.backbone.device)
        return begun, time.perf_counter() - started

    def _plan(self, way: str, context: Context, span: Span) -> EditPlan:
        return make_plan(get_method(way), context.ids, [Edit(span)], self.backbone)

    def _work(self, way: str, context: Context, span: Span, cache: EditableCache) -> StepWork:
        """What `way` needs at the least, with nothing copied."""
        seen = attended(cache.view.ranges if cache.view else None, cache.length)
        asked = Block(len(self.question_ids), seen)
        decode = self.size.reading([Block(1, seen + asked.new + DECODED // 2)], logits=1)
        if way == FRESH:
            prefilled = self.prefill_work(len(context.ids) - len(span))
            return StepWork([prefilled], [prefilled, self.size.reading([asked], logits=1)], decode)
        plan = self._plan(way, context, span)
        costs = plan.costs(len(context.ids))
        erase = [self._step_work(cost) for cost in costs]
        if plan.steps and fits_a_question(plan.steps[-1]):
            return StepWork(erase, [*erase[:-1], self._step_work(costs[-1], asked)], decode)
        return StepWork(erase, [*erase, self.size.reading([asked], logits=1)], decode)

    def _step_work(self, cost: StepCost, *asked: Block) -> Work:
        """What a step of an edit needs, together with a question if one is `asked`."""
        blocks = [*(Block(*run) for run in cost.runs), *asked]
        return self.size.reading(blocks, logits=len(asked), adapted=cost.eraser_tokens)


def _fresh(context: Context, span: Span) -> EditedCache:
    cache = context.cache.another(context.cache.capacity)
    prefill(context.backbone, edited_ids(context.ids, [Edit(span)]), cache)
    return EditedCache(cache, FRESH, cache.used_bytes)
