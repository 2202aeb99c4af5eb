"""llama.cpp on the packaged model's file: its prefix reuse, and its context shift as the approximate way.

A prompt that was changed is evaluated again from the first changed token on. The shift drops the span's
tokens and moves those after it up, which rotates their keys in the pass that follows.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import psutil

from kveraser_core.benchmark.contender import DECODED, HEADROOM, QUESTION, Contender, Sample
from kveraser_core.benchmark.peers import LLAMA_CPP_SHIFT
from kveraser_core.benchmark.peers.llama_runtime import Runtime, Settings, requantised
from kveraser_core.documents.spans import Span
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.packaged import packaged_gguf
from kveraser_core.model.prompts import Prompt

FORMATS = ("Q4_0", "Q8_0", "BF16")
_UBATCHES = (256, 512)


class LlamaCppPeer(Contender):
    """Prefix reuse and context shift in one llama.cpp context; `formats` are tried beside the file's own.

    With `flash_attention` or without it; where that is `None` in the way that is faster in all.
    """

    same_weights = False

    def __init__(
        self,
        backbone: Backbone,
        program: str,
        ways: Sequence[str],
        formats: Sequence[str] = (),
        flash_attention: bool | None = True,
    ) -> None:
        self.program = program
        self.ways = ways
        self.formats = formats
        self.flash_attention = flash_attention
        threads = psutil.cpu_count(logical=False) or os.cpu_count() or 1
        self.settings = Settings(packaged_gguf(), flash_attention is not False, ubatch=512, threads=threads)
        self.question_ids = Prompt(backbone).question_ids(QUESTION)
        self.ids: list[int] = []
        self._runtime: Runtime | None = None
        self._files: tempfile.TemporaryDirectory[str] | None = None

    def prepare(self, ids: Sequence[int]) -> str:
        own = self.settings.file
        self._files = tempfile.TemporaryDirectory() if self.formats else None
        folder = Path(self._files.name) if self._files else own.parent
        files = [own, *(requantised(own, name, folder / f"{name}.gguf") for name in self.formats)]
        half = ids[: len(ids) // 2]
        self._choose([replace(self.settings, file=file) for file in files], half)
        self._choose([replace(self.settings, ubatch=size) for size in _UBATCHES], half)
        every = {self.settings.threads, os.cpu_count() or 1}
        self._choose([replace(self.settings, threads=count) for count in every], half)
        if self.flash_attention is None:
            self._choose([replace(self.settings, flash_attention=on) for on in (True, False)], ids)
        return (
            f"{self.program}: llama-cpp-python {version('llama-cpp-python')}, {self.settings.file.name}, "
            f"{self.settings.threads} threads, flash attention {'on' if self.settings.flash_attention else 'off'}, "
            f"ubatch {self.settings.ubatch}"
        )

    def _choose(self, candidates: Sequence[Settings], ids: Sequence[int]) -> None:
        """Keep the settings that read the later half of `ids` and answer in the least time."""
        if len(candidates) > 1:
            self.settings = min(candidates, key=lambda settings: _seconds(settings, ids))

    def read(self, ids: Sequence[int]) -> float:
        self.free()
        self.ids = list(ids)
        self._runtime = Runtime(self.settings, len(ids) + HEADROOM)
        started = time.perf_counter()
        self._runtime.encode(self.ids)
        seconds = time.perf_counter() - started
        self._runtime.save()
        return seconds

    def free(self) -> None:
        if self._runtime:
            self._runtime.close()
        self._runtime = None

    def run(self, way: str, span: Span) -> Sample:
        runtime = self._runtime
        assert runtime is not None
        runtime.restore()
        started = time.perf_counter()
        if way == LLAMA_CPP_SHIFT:
            runtime.drop(span.start, span.end)
            runtime.shift(span.end, -len(span))
        else:
            runtime.drop(span.start, -1)
            runtime.encode(self.ids[span.end :])
        erased = time.perf_counter()
        runtime.encode(self.question_ids)
        token_ids = [runtime.next_token()]
        first = time.perf_counter()
        _decode(runtime, token_ids)
        decoded = time.perf_counter()
        return Sample(erased - started, first - started, DECODED / (decoded - first), token_ids)


def _decode(runtime: Runtime, token_ids: list[int]) -> None:
    for _ in range(DECODED):
        runtime.encode(token_ids[-1:])
        token_ids.append(runtime.next_token())


@contextmanager
def _opened(settings: Settings, capacity: int) -> Iterator[Runtime]:
    runtime = Runtime(settings, capacity)
    try:
        yield runtime
    finally:
        runtime.close()


def _seconds(settings: Settings, ids: Sequence[int]) -> float:
    """Prefilling the later half of `ids` after the first, and decoding."""
    with _opened(settings, len(ids) + HEADROOM) as runtime:
        half = len(ids) // 2
        runtime.encode(ids[:half])
        started = time.perf_counter()
        runtime.encode(ids[half:])
        _decode(runtime, [runtime.next_token()])
        return time.perf_counter() - started
