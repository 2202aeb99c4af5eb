"""One model file in llama.cpp: tokens in, the most likely next token out, and edits of its cache.

A thin layer over the low-level functions of llama-cpp-python; sequence 0 is the only one used.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np

from kveraser_core.errors import KVEraserError

_BATCH = 2048


class LlamaCppFailed(KVEraserError):
    """llama.cpp could not do what it was asked for."""


@llama_cpp.llama_log_callback
def _silence(level: int, text: bytes, user_data: ctypes.c_void_p) -> None:
    return None


llama_cpp.llama_log_set(_silence, ctypes.c_void_p(0))
llama_cpp.llama_backend_init()


@dataclass(frozen=True)
class Settings:
    """What decides llama.cpp's speed: the file's format, flash attention, the tokens computed at once, threads."""

    file: Path
    flash_attention: bool
    ubatch: int
    threads: int


class Runtime:
    """A model loaded with `settings` and a cache of `capacity` tokens."""

    def __init__(self, settings: Settings, capacity: int) -> None:
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = capacity
        parameters.n_batch = _BATCH
        parameters.n_ubatch = settings.ubatch
        parameters.n_threads = parameters.n_threads_batch = settings.threads
        parameters.flash_attn_type = (
            llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
            if settings.flash_attention
            else llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        )
        self._context = None
        self._model = llama_cpp.llama_model_load_from_file(
            str(settings.file).encode(), llama_cpp.llama_model_default_params()
        )
        if self._model:
            self._context = llama_cpp.llama_init_from_model(self._model, parameters)
        if not self._context:
            self.close()
            raise LlamaCppFailed(
                f"llama.cpp could not open {settings.file.name} with room for {capacity:,} tokens: "
                "give shorter lengths, or leave it out of --peers."
            )
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        self._saved = np.empty(0, dtype=np.uint8)

    def close(self) -> None:
        """Give all memory back."""
        if self._context:
            llama_cpp.llama_free(self._context)
        if self._model:
            llama_cpp.llama_model_free(self._model)
        self._context = self._model = None

    def encode(self, ids: Sequence[int]) -> None:
        """Append tokens to the cache."""
        for start in range(0, len(ids), _BATCH):
            tokens = (llama_cpp.llama_token * len(ids[start : start + _BATCH]))(*ids[start : start + _BATCH])
            if llama_cpp.llama_decode(self._context, llama_cpp.llama_batch_get_one(tokens, len(tokens))):
                raise LlamaCppFailed("llama.cpp stopped in the middle of a pass: leave it out of --peers.")
        llama_cpp.llama_synchronize(self._context)

    def next_token(self) -> int:
        """The most likely token after those in the cache."""
        logits = llama_cpp.llama_get_logits_ith(self._context, -1)
        return int(np.ctypeslib.as_array(logits, (self._vocabulary,)).argmax())

    def drop(self, start: int, end: int) -> None:
        """Drop the tokens at the positions `[start, end)`; -1 is the end of all."""
        if not llama_cpp.llama_memory_seq_rm(self._memory, 0, start, end):
            raise LlamaCppFailed("llama.cpp cannot drop a part of its cache: leave it out of --peers.")

    def shift(self, start: int, by: int) -> None:
        """Move the tokens from position `start` on by `by` positions; done when tokens are encoded next."""
        llama_cpp.llama_memory_seq_add(self._memory, 0, start, -1, by)

    def save(self) -> None:
        """Keep a copy of the cache's tokens aside."""
        size = llama_cpp.llama_state_seq_get_size(self._context, 0)
        self._saved = np.empty(size, dtype=np.uint8)
        llama_cpp.llama_state_seq_get_data(self._context, _pointer(self._saved), size, 0)

    def restore(self) -> None:
        """Make the cache what it was when saved."""
        llama_cpp.llama_memory_clear(self._memory, False)
        if not llama_cpp.llama_state_seq_set_data(self._context, _pointer(self._saved), self._saved.size, 0):
            raise LlamaCppFailed("llama.cpp could not read its own cache back: leave it out of --peers.")


def _pointer(array: np.ndarray) -> "ctypes._Pointer[ctypes.c_uint8]":
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))


def requantised(file: Path, format_name: str, target: Path) -> Path:
    """`file` written to `target` in another of llama.cpp's formats, as `F16`, `Q8_0` or `Q4_0`."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{format_name}")
    parameters.allow_requantize = True
    if llama_cpp.llama_model_quantize(str(file).encode(), str(target).encode(), ctypes.byref(parameters)):
        raise LlamaCppFailed(f"llama.cpp could not write {file.name} as {format_name}: leave it out of --peers.")
    return target
