"""One token through a model of quantised weights: what decoding does once a token, in one compiled call.

It takes the place of the torch engine for single tokens, where the model is one that the kernels know.
"""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.rotation import Turns
from kveraser_core.cache.view import ALL_SLOTS
from kveraser_core.engines.batch import PROJECTIONS
from kveraser_core.engines.cpu import row_kernels
from kveraser_core.engines.cpu.compiled import Array, bits, share_threads
from kveraser_core.engines.cpu.quantised import Quantised, quantised
from kveraser_core.engines.cpu.row_kernels import GROUP, Arrays
from kveraser_core.engines.cpu.scalars import LOG2_E


class RowPass:
    """A model's decoder and output embedding for single tokens on the CPU, without gradients."""

    def __init__(
        self, model: PreTrainedModel, weights: list[list[Quantised]], head: Quantised | None, turns: Turns
    ) -> None:
        decoder: Any = model.get_decoder()
        layers = decoder.layers
        self._embedding, self._norm = decoder.embed_tokens.weight, decoder.norm
        self._norms = _stacked([(layer.input_layernorm, layer.post_attention_layernorm) for layer in layers])
        attention = [layer.self_attn for layer in layers]
        has_norms = hasattr(attention[0], "q_norm")
        self._head_norms = (
            _stacked([(layer.q_norm, layer.k_norm) for layer in attention])
            if has_norms
            else np.empty((len(layers), 2, 0), np.float32)
        )
        self._rotated = np.array([_is_rotated(layer) for layer in layers])
        self._biases = tuple(
            np.stack([np.concatenate([_bias(layer.get_submodule(name)) for name in names]) for layer in layers])
            for names in PROJECTIONS
        )
        self._epsilon = np.float32(decoder.norm.variance_epsilon)
        self._levels = tuple(np.stack([weight.levels for weight in group]) for group in weights)
        self._scales = tuple(np.stack([weight.scales for weight in group]) for group in weights)
        self._turns = turns
        self._scale = np.float32(decoder.layers[0].self_attn.scaling * LOG2_E)
        self._head = head
        self._buffers: WeakKeyDictionary[EditableCache, tuple[Arrays, Arrays]] = WeakKeyDictionary()

    @classmethod
    def of(cls, model: PreTrainedModel, turns: Turns) -> "RowPass | None":
        """The pass for `model` with its `turns`, if the kernels know all its parts.

        The layers' weights must have been of four or eight bits, the same in all layers.
        """
        decoder: Any = model.get_decoder()
        layers = decoder.layers
        turned = 2 * len(decoder.rotary_emb.inv_freq)
        if model.config.hidden_act != "silu" or not all(_known(layer, turned) for layer in layers):
            return None
        weights: list[list[Quantised]] = []
        for names in PROJECTIONS:
            group: list[Quantised] = []
            for layer in layers:
                found = quantised(torch.cat([layer.get_submodule(name).weight for name in names]))
                if found is None or type(found) is not type((group or [found])[0]):
                    return None
                group.append(found)
            weights.append(group)
        return cls(model, weights, quantised(model.get_output_embeddings().weight), turns)

    @property
    def nbytes(self) -> int:
        """Bytes of the layers' weights, all of which a token reads."""
        return sum(array.nbytes for array in (*self._levels, *self._scales))

    @property
    def head_bytes(self) -> int | None:
        """Bytes of the output embedding, which the logits of one token read; `None` where it is not of few bits."""
        return None if self._head is None else self._head.levels.nbytes + self._head.scales.nbytes

    def __call__(self, token_id: int, cache: EditableCache) -> Tensor:
        """Append a token to `cache`, which gets its keys and values; its last hidden state, `[1, hidden]`."""
        slot, position, view = cache.length, cache.next_position, cache.view
        for layer in cache.editable:
            layer.extend(1)
        ranges = view.ranges if view else ALL_SLOTS
        ends = [(part.start, slot + 1 if part.end is None else part.end) for part in ranges]
        row = self._embedding[token_id].to(torch.float32, copy=True)
        turns = self._turns.at(torch.tensor([position - part.shift for part in ranges]))
        if cache not in self._buffers:
            self._buffers[cache] = (
                tuple(bits(layer.key_buffer[0]) for layer in cache.editable),
                tuple(bits(layer.value_buffer[0]) for layer in cache.editable),
            )
        share_threads()
        row_kernels.decode(
            row.numpy(),
            self._norms,
            self._epsilon,
            self._levels,
            self._scales,
            self._biases,
            self._head_norms,
            self._rotated,
            *self._buffers[cache],
            slot,
            np.array(ends),
            turns.numpy(),
            self._scale,
        )
        return self._norm(row[None]).to(self._embedding.dtype)

    def logits(self, hidden: Tensor) -> Tensor:
        """The next-token logits of one hidden state: `[1, hidden]` to `[1, vocabulary]`, in fp32, by `head_bytes`."""
        assert self._head is not None
        out = np.empty(len(self._head.levels), np.float32)
        share_threads()
        row_kernels.multiply(hidden.float().view(-1, GROUP).numpy(), self._head.levels, self._head.scales, out)
        return torch.from_numpy(out)[None]


def _known(layer: Any, turned: int) -> bool:
    """Whether the kernels compute what a decoder layer does, in which RoPE turns `turned` dimensions."""
    projections = [layer.get_submodule(name) for names in PROJECTIONS for name in names]
    attention = layer.self_attn
    return all(type(module) is nn.Linear for module in projections) and attention.head_dim == turned


def _is_rotated(layer: Any) -> bool:
    """Whether there are positions in a layer: SmolLM3 has some without."""
    return bool(getattr(layer.self_attn, "use_rope", True))


def _stacked(norms: list[tuple[Any, Any]]) -> Array:
    """The weights of two norms a layer: `[layers, 2, size]`."""
    return np.stack([np.stack([norm.weight.float().numpy() for norm in pair]) for pair in norms])


def _bias(module: nn.Linear) -> Array:
    """What is added to a product, zeros where nothing is: `[out]`."""
    return np.zeros(module.out_features, np.float32) if module.bias is None else module.bias.float().numpy()
