"""The backbone: one frozen model with its tokenizer, its engine and its eraser.

Token ids go in with a cache, hidden states and logits come out; the cache gets the new tokens' keys and values. It
knows nothing about documents or questions.
"""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.documents.spans import TokenMap
from kveraser_core.engines.batch import Segment
from kveraser_core.engines.engine import choose_engine
from kveraser_core.errors import KVEraserError
from kveraser_core.model import packaged
from kveraser_core.model.adapters import Adapter, load_adapter
from kveraser_core.model.breaks import Breaks
from kveraser_core.model.generate_guard import guard
from kveraser_core.model.gguf.convert import SUFFIX, converted
from kveraser_core.model.loading import UnsupportedModel, check_supported, load_files, loading
from kveraser_core.model.model_lock import ModelLock

_ASSETS = [folder / "assets" / "erasers" for folder in Path(__file__).parents[1:3]]


class HalfCharacter(KVEraserError):
    """A text that is none: it has half of a surrogate pair."""


class MissingEraser(KVEraserError):
    """A method needs an eraser and none is loaded."""


class Backbone:
    """A frozen causal language model with its tokenizer and, if there is one, its eraser."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
        check_supported(model.config, name)
        if not tokenizer.is_fast:
            raise UnsupportedModel(
                f"{name} has no fast tokenizer, which maps tokens back to characters: use another."
            )
        self.model = model.eval().requires_grad_(False)
        self.engine = choose_engine(model)
        guard(model)
        self.tokenizer = deepcopy(tokenizer)  # encoding text as data changes its state
        self.breaks = Breaks(tokenizer)
        self.name = name
        self.window: int = model.config.max_position_embeddings
        self.eraser: Adapter | None = None
        self.lock = ModelLock()
        ends = model.generation_config.eos_token_id if model.generation_config else None
        ends = ends if isinstance(ends, list) else [ends, tokenizer.eos_token_id]
        self.end_ids = frozenset(end for end in ends if end is not None)

    @classmethod
    def load(
        cls,
        model: str | None = None,
        eraser: str | Path | None = None,
        device: str | None = None,
        dtype: torch.dtype | None = None,
    ) -> "Backbone":
        """Load `model`, a GGUF file, folder or hub id, by default the packaged one, and its `eraser`.

        Without an `eraser` the shipped one is used where there is one for the model. `device` is chosen
        in the order cuda, mps, cpu; on cuda, accelerate spreads a model over devices when one is too
        small. `dtype` is bf16 where the device computes in it. Nothing is downloaded unless a hub id is
        named. Raises `UnsupportedModel`, `NoPackagedModel`, `CacheUnwritable` or `AdapterError`.
        """
        place = torch.device(device or best_device())
        name = packaged.MODEL_NAME if model is None else model
        with loading(name, "that is no name"):
            if model is None:
                path = str(packaged.packaged_model())
            else:
                path = str(converted(Path(model))) if model.lower().endswith(SUFFIX) else model
            local = Path(path).is_dir()
        loaded, tokenizer = load_files(path, name, place, dtype or best_dtype(place), local)
        if place.type == "cpu":  # weights in the mapped file are read at two thirds of the speed
            for weight in loaded.parameters():
                weight.data = weight.data.clone()
        with loading(name, "it does not run"):
            backbone = cls(loaded, tokenizer, name)
            backbone.engine.warm_up()
        shipped = shipped_eraser(packaged.SLUG) if model is None else None
        if eraser or shipped:
            backbone.load_eraser(eraser or shipped or "")
        return backbone

    def load_eraser(self, source: str | Path) -> None:
        """Load the adapter at `source`, a folder or hub id, as the eraser.

        Raises `AdapterError`, and the eraser is what it was.
        """
        with self.lock:
            self.use_eraser(load_adapter(self.model, source))

    def use_eraser(self, eraser: Adapter) -> None:
        """Make `eraser`, which is one on this model, the eraser."""
        with self.lock:
            self.engine.use_eraser(eraser)
            self.eraser = eraser

    def has_eraser(self, method: str) -> bool:
        """Whether there is an eraser that was trained for `method`."""
        return self.eraser is not None and self.eraser.method == method

    def eraser_for(self, method: str) -> Adapter:
        """The eraser that was trained for `method`. Raises `MissingEraser` where there is none."""
        if self.eraser is None:
            raise MissingEraser(
                f"No eraser is loaded for {self.name}: give one trained for {method} with --eraser, or use another "
                "erase method."
            )
        if self.eraser.method != method:
            raise MissingEraser(
                f"The eraser {self.eraser.source} was trained for {self.eraser.method}: give one trained for "
                f"{method} with --eraser, or use another erase method."
            )
        return self.eraser

    @property
    def about(self) -> dict[str, str | int | None]:
        """What answers and what runs it: model, window in tokens, eraser, engine, dtypes, device."""
        return {
            "model": self.name,
            "window": self.window,
            "eraser": self.eraser.source if self.eraser else None,
            "engine": self.engine.description,
            "dtype": _short(self.model.dtype),
            "cache_dtype": _short(self.engine.cache_dtype),
            "device": str(self.device),
        }

    @property
    def description(self) -> str:
        """The same in a sentence."""
        about = self.about
        return (
            f"{about['model']} runs on {about['device']} by the engine {about['engine']}, weights in "
            f"{about['dtype']}, keys and values in {about['cache_dtype']}."
        )

    @property
    def device(self) -> torch.device:
        return self.model.get_input_embeddings().weight.device

    def new_cache(self, capacity: int) -> EditableCache:
        """An empty cache for at most `capacity` tokens."""
        return EditableCache.of(self.model, capacity, self.engine.cache_dtype)

    def tokenize(self, text: str) -> tuple[list[int], TokenMap]:
        """`text` as data: special tokens in it are spelled out, never acted on. Raises `HalfCharacter`."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise HalfCharacter(
                f"Character {error.start + 1:,} of this text is half of one, which no program can read: leave it out."
            ) from None
        with self.lock:
            encoded = self.tokenizer(
                text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True
            )
        return encoded["input_ids"], TokenMap(encoded["offset_mapping"], len(text))

    def text_of(self, token_ids: Sequence[int]) -> str:
        """The text that tokens stand for."""
        with self.lock:
            return str(self.tokenizer.decode(list(token_ids)))

    def tokenize_template(self, text: str) -> list[int]:
        """`text` of a chat template, where special tokens are meant."""
        with self.lock:
            return self.tokenizer(text, add_special_tokens=False, split_special_tokens=False)["input_ids"]

    def encode(self, token_ids: Sequence[int], cache: EditableCache, num_outputs: int | None = None) -> Tensor:
        """Append tokens to `cache`, which gets their keys and values.

        The result is the hidden states of the last `num_outputs` tokens, of all by default: `[num_outputs, hidden]`.
        Fewer cost less. Raises `CacheFull`.
        """
        return self.forward([Segment(token_ids)], cache, len(token_ids) if num_outputs is None else num_outputs)

    def forward(self, batch: Sequence[Segment], cache: EditableCache, num_outputs: int) -> Tensor:
        """One forward pass, as in `Engine.forward`. Passes of different sessions take turns."""
        with self.lock:
            return self.engine.forward(batch, cache, num_outputs)

    def logits(self, hidden: Tensor) -> Tensor:
        """The next-token logits of hidden states: `[tokens, hidden]` to `[tokens, vocabulary]`."""
        with self.lock:
            return self.engine.logits(hidden)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def shipped_eraser(slug: str) -> Path | None:
    """The eraser shipped for the model `slug`, if there is one."""
    return next((home / slug for home in _ASSETS if (home / slug / "adapter_config.json").is_file()), None)


def best_device() -> str:
    """The first of cuda, mps and cpu that this machine has."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def best_dtype(device: torch.device) -> torch.dtype:
    """bf16 where `device` computes in it; else fp16 on an accelerator, fp32 on the CPU."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "mps":
        return torch.float16
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32
