"""Prefill and decoding over an editable cache, with their timings.

Token ids go in, token ids and text come out. Everything appended to the given cache is cut off again by
the caller; this module knows nothing about documents or erase methods.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from tokenizers.decoders import DecodeStream
from torch import Tensor
from transformers import TemperatureLogitsWarper, TopPLogitsWarper

from kveraser_core.cache.editable_cache import EditableCache, synchronize
from kveraser_core.engines.batch import Segment
from kveraser_core.errors import KVEraserError
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.ending import end_of

CHUNK = 512


class Cancelled(KVEraserError):
    """The user cancelled a prefill."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen, greedy at temperature 0, else from the nucleus `top_p`; and when an answer ends.

    It ends where the model ends it, before a `stop` string, and at `max_tokens`. Without `loops` it ends where it
    repeats itself or asks the next question too, with `brief` after its first sentence (see `ending.py`).
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int = 0
    loops: bool = True
    brief: bool = False

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise KVEraserError("The temperature cannot be negative: give 0 for greedy decoding or more.")
        if not 0 < self.top_p <= 1:
            raise KVEraserError("Top-p must be above 0 and at most 1.")
        if self.max_tokens < 1:
            raise KVEraserError("An answer needs at least one token: give a larger maximum.")


@dataclass(frozen=True)
class Generated:
    """An answer: its text, its token ids (the end token included) and the seconds each part took."""

    text: str
    token_ids: list[int]
    finished: bool
    question_prefill_s: float
    first_token_s: float
    decode_s: float

    @property
    def decode_tokens_per_s(self) -> float | None:
        """Rate of the tokens after the first; `None` when there was only one."""
        later = len(self.token_ids) - 1
        return later / self.decode_s if later and self.decode_s else None


def prefill(
    backbone: Backbone,
    token_ids: Sequence[int],
    cache: EditableCache,
    progress: Callable[[int, int], object] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> float:
    """Append `token_ids` to `cache`, `CHUNK` tokens at a time; the seconds that the model took.

    `progress` is called with the tokens done and their total. Raises `Cancelled` between two chunks when
    `cancelled` says so.
    """
    total, seconds = len(token_ids), 0.0
    for start in range(0, total, CHUNK):
        if cancelled():
            raise Cancelled("Reading was cancelled: load the document again to go on.")
        started = time.perf_counter()
        backbone.encode(token_ids[start : start + CHUNK], cache, num_outputs=0)
        if progress:
            synchronize(backbone.device)
        seconds += time.perf_counter() - started
        if progress:
            progress(min(start + CHUNK, total), total)
    return seconds


def generate(
    backbone: Backbone,
    cache: EditableCache,
    prompt_ids: Sequence[int],
    sampling: Sampling,
    step: Sequence[Segment] = (),
) -> Iterator[str | Generated]:
    """Encode `prompt_ids` after `cache` and answer: a piece of text a token, which may be empty, then a `Generated`.

    The cache is as it was when the iterator ends or is closed, but for a `step` of an edit, which is run together
    with the prompt and stays.
    """
    choose = _chooser(sampling, backbone.device)
    text = _TextStream(backbone, sampling)
    ids: list[int] = []
    with cache.appending():
        started = time.perf_counter()
        if step and len(prompt_ids) > CHUNK:
            backbone.forward(step, cache, 0)
            step = ()
        prefill(backbone, prompt_ids[:-CHUNK], cache)
        hidden = backbone.forward([*step, Segment(prompt_ids[-CHUNK:])], cache, 1)
        synchronize(backbone.device)
        read = time.perf_counter()
        ids.append(choose(backbone.logits(hidden)[0], ids))
        first = time.perf_counter()
        waited = 0.0
        while True:
            ended = ids[-1] in backbone.end_ids
            piece = text.close() if ended else text.add(ids[-1])
            paused = time.perf_counter()
            yield piece
            waited += time.perf_counter() - paused
            if ended or text.stopped or len(ids) == sampling.max_tokens:
                break
            hidden = backbone.encode(ids[-1:], cache)
            ids.append(choose(backbone.logits(hidden)[0], ids))
        finished = time.perf_counter()
    if not ended and (rest := text.close()):
        yield rest
    yield Generated(text.shown, ids, ended or text.stopped, read - started, first - read, finished - first - waited)


def answer_logits(
    backbone: Backbone, cache: EditableCache, prompt_ids: Sequence[int], answer_ids: Sequence[int]
) -> Tensor:
    """The logits with which `answer_ids` would follow `prompt_ids` after `cache`: `[answer, vocabulary]`."""
    with cache.appending():
        prefill(backbone, prompt_ids[:-1], cache)
        hidden = backbone.encode([prompt_ids[-1], *answer_ids[:-1]], cache)
    return backbone.logits(hidden).float()


def agreement(reference: Tensor, logits: Tensor) -> tuple[float, float]:
    """How well `logits` agree with `reference`, both `[tokens, vocabulary]`.

    Returns the share of tokens with the same most likely token, and the mean KL(reference || logits) in nats.
    """
    same = (reference.argmax(-1) == logits.argmax(-1)).float().mean().item()
    return same, max(divergence(reference, logits).item(), 0.0)  # rounding may leave it below


def divergence(reference: Tensor, logits: Tensor) -> Tensor:
    """The mean KL(reference || logits) in nats, both `[tokens, vocabulary]`: a scalar, with gradients."""
    expected, actual = reference.log_softmax(-1), logits.log_softmax(-1)
    return (expected.exp() * (expected - actual)).sum(-1).mean()


def _chooser(sampling: Sampling, device: torch.device) -> Callable[[Tensor, list[int]], int]:
    if sampling.temperature == 0:
        return lambda logits, _: int(logits.argmax())
    source = torch.Generator(device).manual_seed(sampling.seed)
    warpers = [TemperatureLogitsWarper(sampling.temperature), TopPLogitsWarper(sampling.top_p)]

    def sample(logits: Tensor, ids: list[int]) -> int:
        scores = logits.float()[None]
        for warper in warpers:
            scores = warper(torch.tensor([ids], dtype=torch.long), scores)
        return int(torch.multinomial(scores.softmax(-1)[0], 1, generator=source))

    return sample


@dataclass
class _TextStream:
    """Text of tokens as they come: whole characters only, and nothing of a stop string or after the answer's end."""

    backbone: Backbone
    sampling: Sampling
    text: str = ""
    shown: str = ""
    stopped: bool = False
    _decoder: DecodeStream = field(default_factory=lambda: DecodeStream(skip_special_tokens=True))

    def add(self, token_id: int) -> str:
        """The text that may be shown now that `token_id` has come."""
        self.text += self._decoder.step(self.backbone.tokenizer.backend_tokenizer, token_id) or ""
        stops = self.sampling.stop
        ends = [at for stop in stops if (at := self.text.find(stop)) >= 0]
        held = max((n for stop in stops for n in range(len(stop)) if self.text.endswith(stop[:n])), default=0)
        sure = len(self.text) - held
        if self.sampling.brief or not self.sampling.loops:
            until, ended = end_of(self.text, self.sampling.brief)
            ends += [until] if ended else []
            sure = min(sure, until)
        if ends:
            self.stopped = True
            self.text = self.text[: min(ends)]
            return self.close()
        return self._show(sure)

    def close(self) -> str:
        """What was held back, now that nothing more comes."""
        return self._show(len(self.text))

    def _show(self, until: int) -> str:
        piece = self.text[len(self.shown) : until]
        self.shown += piece
        return piece
