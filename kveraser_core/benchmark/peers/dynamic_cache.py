"""transformers as its users have it: the plain model with sdpa attention over a `DynamicCache`."""

import copy
import time
from collections.abc import Sequence

import torch
import transformers
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from kveraser_core.benchmark.contender import DECODED, QUESTION, Contender, Sample
from kveraser_core.benchmark.limits import Block, ModelSize, StepWork
from kveraser_core.benchmark.peers import TRANSFORMERS
from kveraser_core.cache.editable_cache import synchronize
from kveraser_core.documents.spans import Span
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.prompts import Prompt

_CHUNKS = (256, 512, 1024, 2048)
_PREFIX = 64


class DynamicCachePeer(Contender):
    """Crop the cache to the prefix and prefill the rest, in the chunks found fastest.

    The context is kept aside as well, to have it whole again, so its peak memory says nothing.
    """

    program = TRANSFORMERS
    ways = (TRANSFORMERS,)
    owns_context = False

    def __init__(self, backbone: Backbone) -> None:
        self.device = backbone.device
        weights = {id(tensor): tensor for tensor in (*backbone.model.parameters(), *backbone.model.buffers())}
        self.model: PreTrainedModel = copy.deepcopy(backbone.model, weights)  # which are not copied
        self.model.set_attn_implementation("sdpa")
        self.size = ModelSize.of(backbone)
        self.question_ids = Prompt(backbone).question_ids(QUESTION)
        self.chunk = _CHUNKS[0]
        self.ids: list[int] = []
        self.whole = DynamicCache()

    def prepare(self, ids: Sequence[int]) -> str:
        self.read(ids)
        span, seconds = Span(min(_PREFIX, len(ids) - 1), min(_PREFIX, len(ids) - 1)), {}
        for chunk in (chunk for chunk in _CHUNKS if chunk < 2 * len(ids)):
            self.chunk = chunk
            self.run(TRANSFORMERS, span)
            seconds[chunk] = self.run(TRANSFORMERS, span).erase_s
        self.chunk = min(seconds, key=seconds.__getitem__, default=self.chunk)
        return f"transformers {transformers.__version__}, DynamicCache, sdpa, suffix in chunks of {self.chunk:,}"

    def read(self, ids: Sequence[int]) -> float:
        self.free()
        self.ids = list(ids)
        started = time.perf_counter()
        self._encode(self.ids, self.whole)
        synchronize(self.device)
        return time.perf_counter() - started

    def free(self) -> None:
        self.whole = DynamicCache()

    def run(self, way: str, span: Span) -> Sample:
        cache = copy.copy(self.whole)
        cache.layers = [copy.copy(layer) for layer in self.whole.layers]
        rest = self.ids[span.end :]
        started = time.perf_counter()
        cache.crop(span.start - len(self.ids))
        for start in range(0, len(rest), self.chunk):
            self._encode(rest[start : start + self.chunk], cache)
        synchronize(self.device)
        erased = time.perf_counter()
        token_ids = [int(self._encode(self.question_ids, cache).argmax())]
        first = time.perf_counter()
        for _ in range(DECODED):
            token_ids.append(int(self._encode(token_ids[-1:], cache).argmax()))
        decoded = time.perf_counter()
        return Sample(erased - started, first - started, DECODED / (decoded - first), token_ids, self._work(span))

    @torch.inference_mode()
    def _encode(self, ids: Sequence[int], cache: DynamicCache) -> Tensor:
        """Append tokens to `cache`; returns the logits of the last one, `[vocabulary]`."""
        tokens = torch.tensor([ids], device=self.device)
        return self.model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1]

    def _work(self, span: Span) -> StepWork:
        kept, asked = len(self.ids) - len(span), len(self.question_ids)
        erase = self.size.reading([Block(len(self.ids) - span.end, span.start)])
        ask = self.size.reading([Block(asked, kept)], logits=1)
        return StepWork([erase], [erase, ask], self.size.reading([Block(1, kept + asked + DECODED // 2)], logits=1))
