"""The project's own erase methods, and a fresh prefill of what is left."""

import time
from collections.abc import Sequence

from kveraser_core.benchmark.contender import DECODED, HEADROOM, QUESTION, Contender, Sample
from kveraser_core.benchmark.limits import Block, ModelSize, StepWork, Work
from kveraser_core.cache.editable_cache import synchronize
from kveraser_core.cache.view import Piece, Rewrite
from kveraser_core.documents.spans import Span, merge_spans
from kveraser_core.methods import get_method
from kveraser_core.methods.base import ErasedCache
from kveraser_core.methods.kveraser import KVEraser
from kveraser_core.methods.local_repair import LocalRepair
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
        """Whether question and answer behind `length` tokens end beyond the model's window."""
        return length + len(self.question_ids) + DECODED + 1 > self.backbone.window

    def prefill_work(self, length: int) -> Work:
        """What reading a context of `length` tokens needs."""
        return self.size.reading([Block(length, 0)])

    def run(self, way: str, span: Span) -> Sample:
        context = self.context
        assert context is not None
        begun, seconds = self._begin(way, span)
        left, erase_s = begun.left, seconds
        sampling = Sampling(max_tokens=DECODED + 1)
        *_, answer = generate(self.backbone, begun.cache, self.question_ids, sampling, left)
        assert isinstance(answer, Generated)
        work = self._work(way, context, span, begun)
        begun.release()
        if left:
            alone, erase_s = self._begin(way, span)
            started = time.perf_counter()
            self.backbone.rewrite(left, alone.cache)
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

    def _begin(self, way: str, span: Span) -> tuple[ErasedCache, float]:
        """The erase, but for a pass left for the question, and the seconds it took."""
        assert self.context is not None
        started = time.perf_counter()
        begun = _fresh(self.context, span) if way == FRESH else get_method(way).begin(self.context, [span])
        synchronize(self.backbone.device)
        return begun, time.perf_counter() - started

    def _work(self, way: str, context: Context, span: Span, erased: ErasedCache) -> StepWork:
        """What `way` needs at the least, with nothing copied."""
        cache = erased.cache
        pieces = cache.layout.pieces if cache.layout else [Piece(0, cache.length)]
        seen = sum((cache.length if piece.end is None else piece.end) - piece.start for piece in pieces)
        asked = Block(len(self.question_ids), seen)
        decode = self.size.reading([Block(1, seen + asked.new + DECODED // 2)], logits=1)
        method = None if way == FRESH else get_method(way)
        if not isinstance(method, KVEraser):
            erase = [self._erase_work(way, context, span, cache.length - len(context.ids))]
            return StepWork(erase, [*erase, self.size.reading([asked], logits=1)], decode)
        passes = method.passes(context, [span])
        erase = [self._pass_work(rewrites, span) for rewrites in passes]
        return StepWork(erase, [*erase[:-1], self._pass_work(passes[-1], span, asked)], decode)

    def _erase_work(self, way: str, context: Context, span: Span, added: int) -> Work:
        suffix = len(context.ids) - span.end
        if way == FRESH:
            return self.prefill_work(len(context.ids) - len(span))
        method = get_method(way)
        if isinstance(method, LocalRepair):
            return self.size.reading([Block(min(method.k, suffix), span.start)])
        if way == "full_recompute":
            return self.size.reading([Block(suffix, span.start)])
        return self.size.reading([Block(added, len(context.ids))]) if way == "erratum" else Work()

    def _pass_work(self, rewrites: Sequence[Rewrite], span: Span, *asked: Block) -> Work:
        """What a pass of an erase needs, with a question if one is `asked` in it.

        Each rewritten token sees the slots before its own but for the span's.
        """
        runs = merge_spans(Span(slot, slot + 1) for rewrite in rewrites for slot in rewrite.slots)
        blocks = [Block(len(run), run.start - (len(span) if run.start >= span.end else 0)) for run in runs]
        adapted = sum(len(rewrite.slots) for rewrite in rewrites if rewrite.erasing)
        return self.size.reading([*blocks, *asked], logits=len(asked), adapted=adapted)


def _fresh(context: Context, span: Span) -> ErasedCache:
    cache = context.cache.another(context.cache.capacity)
    prefill(context.backbone, [*context.ids[: span.start], *context.ids[span.end :]], cache)
    return ErasedCache(cache, cache.used_bytes)
