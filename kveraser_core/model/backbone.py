"""The backbone: one frozen model, its tokenizer and its eraser, on a device.

Token ids go in with a cache, hidden states and logits come out; the cache receives the new tokens'
states. Passes of different sessions take turns, so that an eraser is never on during another's pass.
It knows nothing about documents or questions.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.rotation import Turns
from kveraser_core.cache.view import Rewrite
from kveraser_core.documents.spans import TokenMap
from kveraser_core.engines import attention
from kveraser_core.engines.cpu.block_pass import BlockPass
from kveraser_core.engines.cpu.packed_linear import pack
from kveraser_core.engines.cpu.row_pass import RowPass
from kveraser_core.engines.torch import DecoderPass
from kveraser_core.errors import KVEraserError
from kveraser_core.model import packaged
from kveraser_core.model.adapters import Adapter, load_adapter
from kveraser_core.model.generate_guard import guard
from kveraser_core.model.loading import UnsupportedModel, check_supported, load_files, loading
from kveraser_core.sessions.lock import PATIENCE_S, SessionBusy

_ASSETS = [folder / "assets" / "erasers" for folder in Path(__file__).parents[1:3]]


class MissingEraser(KVEraserError):
    """A method needs an eraser and none is loaded."""


class Backbone:
    """A frozen causal language model with its tokenizer and, if there is one, its eraser.

    `breaks` says which tokens of the vocabulary end a line, and which end a sentence: `[vocabulary]` each, true or
    false.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
        check_supported(model.config, name)
        if not tokenizer.is_fast:
            raise UnsupportedModel(
                f"{name} has no fast tokenizer, which maps tokens back to characters: use another."
            )
        self.model = model.eval().requires_grad_(False)
        self._row_pass: RowPass | None = None
        self._pass: Any = None
        if model.device.type == "cpu":
            turns = Turns.of(model)
            self._row_pass = RowPass.of(model, turns)
            self._pass = BlockPass.of(model, turns) or DecoderPass(model)
        self._low_rank: tuple[Adapter, Any] | None = None
        guard(model)
        self.tokenizer = deepcopy(tokenizer)  # encoding text as data changes its state
        self.breaks = _breaks(tokenizer)
        self.name = name
        self.window: int = model.config.max_position_embeddings
        self.eraser: Adapter | None = None
        self.lock = threading.RLock()
        self._given_back, self._in_use = threading.Condition(self.lock), 0
        self._erasing = False
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
        """Load `model`, a folder or hub id, by default the packaged one, and its `eraser`.

        Without an `eraser` the shipped one is used where there is one for the model. `device` is chosen
        in the order cuda, mps, cpu; on cuda, accelerate spreads a model over devices when one is too
        small. `dtype` is bf16 where the device computes in it. Nothing is downloaded unless a hub id is
        named. Raises `UnsupportedModel`, `NoPackagedModel` or `AdapterError`.
        """
        place = torch.device(device or best_device())
        path = str(packaged.packaged_model()) if model is None else model
        name = packaged.MODEL_NAME if model is None else model
        with loading(name, "that is no name"):
            local = model is None or Path(path).is_dir()
        loaded, tokenizer = load_files(path, name, place, dtype or best_dtype(place), local)
        if place.type == "cpu":  # weights in the mapped file are read at two thirds of the speed
            for weight in loaded.parameters():
                weight.data = weight.data.clone()
        with loading(name, "it does not run"):
            backbone = cls(loaded, tokenizer, name)
            pack(loaded)
            backbone.warm_up()
        shipped = shipped_eraser(packaged.SLUG) if model is None else None
        if eraser or shipped:
            backbone.load_eraser(eraser or shipped or "")
        return backbone

    def warm_up(self) -> None:
        """Run a few tokens, so that what is compiled for them is there when a document comes.

        The first time on a machine that takes some 30 seconds, later half of one.
        """
        if isinstance(self._pass, BlockPass) or self._row_pass:
            cache = self.new_cache(3)
            self.encode([0, 0], cache, wanted=1)
            self.logits(self.encode([0], cache, wanted=1))

    def load_eraser(self, source: str | Path) -> None:
        """Load the adapter at `source`, a folder or hub id, as the eraser.

        Raises `AdapterError`, and the eraser is what it was.
        """
        with self.lock:
            eraser = load_adapter(self.model, source)
            if self._pass:
                self._low_rank_of(eraser)  # now, so that the first erase need not
            self.eraser = eraser

    @property
    def row_bytes(self) -> int | None:
        """Bytes of the layers' weights that a pass of one token reads, where that is not what longer passes read."""
        return self._row_pass.nbytes if self._row_pass else None

    @property
    def head_bytes(self) -> int | None:
        """Bytes of the output embedding that one token's logits read, where that is not what more tokens' read."""
        return self._row_pass.head_bytes if self._row_pass else None

    @property
    def device(self) -> torch.device:
        return self.model.get_input_embeddings().weight.device

    def new_cache(self, capacity: int) -> EditableCache:
        """An empty cache for at most `capacity` tokens."""
        return EditableCache.of(self.model, capacity)

    def tokenize(self, text: str) -> tuple[list[int], TokenMap]:
        """`text` as data: special tokens in it are spelled out, never acted on."""
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

    @torch.inference_mode()
    def encode(
        self,
        token_ids: Sequence[int],
        cache: EditableCache,
        wanted: int | None = None,
        rewrites: Sequence[Rewrite] = (),
    ) -> Tensor:
        """Run tokens behind those in `cache`, which receives their states.

        Returns the hidden states of the last `wanted` tokens, of all by default: `[wanted, hidden]`. Fewer cost
        less: the last layer goes on with these only. A pass of an erase, `rewrites`, is done before, in the same
        pass where the device has one that can.
        """
        wanted = len(token_ids) if wanted is None else wanted
        with self.lock:
            if rewrites and isinstance(self._pass, BlockPass):
                eraser = self._low_rank_of(self.needed_eraser) if any(part.erasing for part in rewrites) else None
                return self._pass(token_ids, cache, wanted, eraser, rewrites)
            if rewrites:
                self.rewrite(rewrites, cache)
            if self._row_pass and len(token_ids) == wanted == 1 and not self._erasing and self._row_pass.takes(cache):
                return self._row_pass(token_ids[0], cache)
            if self._pass:
                eraser = self._low_rank_of(self.needed_eraser) if self._erasing else None
                return self._pass(token_ids, cache, wanted, eraser)
            if self.model.config._attn_implementation != attention.NAME:
                raise UnsupportedModel(
                    f"{self.name} runs with {self.model.config._attn_implementation} attention, which does not know "
                    f'what is erased: call model.set_attn_implementation("{attention.NAME}") first.'
                )
            ids = torch.tensor([token_ids], device=self.device)
            positions = cache.positions(len(token_ids)).to(self.device)[None]
            out = self.model.get_decoder()(
                input_ids=ids, position_ids=positions, past_key_values=cache, use_cache=True
            )
            return out.last_hidden_state[0, len(token_ids) - wanted :]

    def rewrite(self, rewrites: Sequence[Rewrite], cache: EditableCache) -> None:
        """Do a pass of an erase. Raises `MissingEraser` where it needs one and there is none."""
        if isinstance(self._pass, BlockPass):
            self.encode([], cache, 0, rewrites)
            return
        for part in rewrites:
            with cache.rewriting(part.slots, part.layout), self.erasing() if part.erasing else nullcontext():
                self.encode(part.ids, cache, wanted=0)

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """The next-token logits of hidden states: `[tokens, hidden]` to `[tokens, vocabulary]`."""
        with self.lock:
            if self._row_pass and len(hidden) == 1:
                return self._row_pass.logits(hidden)
            return self.model.get_output_embeddings()(hidden)

    @property
    def needed_eraser(self) -> Adapter:
        """The eraser. Raises `MissingEraser` without one."""
        if self.eraser is None:
            raise MissingEraser(
                f"No eraser is loaded for {self.name}: give one with --eraser, or use another erase method."
            )
        return self.eraser

    @contextmanager
    def erasing(self) -> Iterator[None]:
        """Passes inside this block run with the eraser on. Raises `MissingEraser` without one."""
        eraser = self.needed_eraser
        with self.lock:
            if self._pass is None:
                if not self._given_back.wait_for(lambda: not self._in_use, PATIENCE_S):
                    raise SessionBusy("A cache of this model is open, with which the eraser cannot be on: close it.")
                with eraser.active():
                    yield
                return
            self._erasing = True
            try:
                yield
            finally:
                self._erasing = False

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """The caller's own passes through `model` inside this block are those of the model without an eraser.

        Where an erase swaps the model's modules it waits for the end of the block, `PATIENCE_S` at most.
        """
        with self.lock:
            self._in_use += 1
        try:
            yield
        finally:
            with self._given_back:
                self._in_use -= 1
                self._given_back.notify_all()

    def _low_rank_of(self, eraser: Adapter) -> Any:
        """What `eraser` adds to the projections, as passes take it; made once."""
        if self._low_rank is None or self._low_rank[0] is not eraser:
            self._low_rank = eraser, self._pass.low_rank(eraser)
        return self._low_rank[1]


def _breaks(tokenizer: PreTrainedTokenizerBase) -> tuple[Tensor, Tensor]:
    every = [[token] for token in range(len(tokenizer))]
    pieces = tokenizer.backend_tokenizer.decode_batch(every, skip_special_tokens=False)
    lines = torch.tensor(["\n" in piece for piece in pieces])
    return lines, torch.tensor([piece.strip()[-1:] in {".", "!", "?"} for piece in pieces])


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
