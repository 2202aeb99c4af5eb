"""The project's own erase methods, and a fresh prefill of what is left."""

import time
from collections.abc import Sequence

from kveraser_core.backbone import Backbone
from kveraser_core.benchmark.contender import DECODED, HEADROOM, QUESTION, Contender, Sample
from kveraser_core.benchmark.limits import Block, ModelSize, StepWork, Work
from kveraser_core.context import Context
from kveraser_core.erasers import get_method
from kveraser_core.erasers.base import ErasedCache
from kveraser_core.erasers.kveraser import KVEraser, Rewrite
from kveraser_core.erasers.local_repair import LocalRepair
from kveraser_core.generation import Generated, Sampling, generate, prefill
from kveraser_core.kv_cache import EditableCache, synchronize
from kveraser_core.layout import Piece
from kveraser_core.prompts import Prompt
from kveraser_core.spans import Span, merge_spans

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
        started = time.perf_counter()
        erased = _fresh(context, span) if way == FRESH else get_method(way).erase(context, [span])
        synchronize(self.backbone.device)
        erase_s = time.perf_counter() - started
        *_, answer = generate(self.backbone, erased.cache, self.question_ids, Sampling(max_tokens=DECODED + 1))
        assert isinstance(answer, Generated)
        work = self._work(way, context, span, erased.cache)
        erased.release()
        return Sample(
            erase_s=erase_s,
            ttft_s=erase_s + answer.question_prefill_s + answer.first_token_s,
            decode_tokens_per_s=answer.decode_tokens_per_s or 0.0,
            token_ids=answer.token_ids,
            work=work,
        )

    def _work(self, way: str, context: Context, span: Span, erased: EditableCache) -> StepWork:
        """What `way` needs at the least, with nothing copied."""
        pieces = erased.layout.pieces if erased.layout else [Piece(0, erased.length)]
        seen = sum((erased.length if piece.end is None else piece.end) - piece.start for piece in pieces)
        asked = len(self.question_ids)
        return StepWork(
            self._erase_work(way, context, span, erased.length - len(context.ids)),
            self.size.reading([Block(asked, seen)], logits=1),
            self.size.reading([Block(1, seen + asked + DECODED // 2)], logits=1),
        )

    def _erase_work(self, way: str, context: Context, span: Span, added: int) -> Work:
        suffix = len(context.ids) - span.end
        method = None if way == FRESH else get_method(way)
        if method is None:
            return self.prefill_work(len(context.ids) - len(span))
        if isinstance(method, KVEraser):
            works = [self._rewrite_work(rewrite, span) for rewrite in method.rewrites(context, [span])]
            return Work(sum(work.flops for work in works), sum(work.moved for work in works))
        if isinstance(method, LocalRepair):
            return self.size.reading([Block(min(method.k, suffix), span.start)])
        if way == "full_recompute":
            return self.size.reading([Block(suffix, span.start)])
        return self.size.reading([Block(added, len(context.ids))]) if way == "erratum" else Work()

    def _rewrite_work(self, rewrite: Rewrite, span: Span) -> Work:
        """What one pass of an erase needs: each token sees the slots before its own but for the span's."""
        runs = merge_spans(Span(slot, slot + 1) for slot in rewrite.slots)
        blocks = [Block(len(run), run.start - (len(span) if run.start >= span.end else 0)) for run in runs]
        return self.size.reading(blocks, adapted=len(rewrite.slots) if rewrite.erasing else 0)


def _fresh(context: Context, span: Span) -> ErasedCache:
    cache = context.cache.another(context.cache.capacity)
    prefill(context.backbone, [*context.ids[: span.start], *context.ids[span.end :]], cache)
    return ErasedCache(cache, cache.used_bytes)
