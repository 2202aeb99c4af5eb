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
from kveraser_core.engines.cpu.compiled import bits, share_threads
from kveraser_core.engines.cpu.quantised import EightBit, FourBit, eight_bit, four_bit
from kveraser_core.engines.cpu.row_kernels import GROUP, Arrays
from kveraser_core.engines.cpu.scalars import LOG2_E


class RowPass:
    """A model's decoder and output embedding for single tokens on the CPU, without gradients."""

    def __init__(self, model: PreTrainedModel, weights: list[list[FourBit]], head: EightBit, turns: Turns) -> None:
        decoder: Any = model.get_decoder()
        norms = [(layer.input_layernorm, layer.post_attention_layernorm) for layer in decoder.layers]
        self._embedding, self._norm = decoder.embed_tokens.weight, decoder.norm
        self._norms = np.stack([np.stack([norm.weight.float().numpy() for norm in pair]) for pair in norms])
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

        The layers' weights must have been of four bits and those of the output embedding of eight, as in most files.
        """
        decoder: Any = model.get_decoder()
        layers = decoder.layers
        turned = 2 * len(decoder.rotary_emb.inv_freq)
        if model.config.hidden_act != "silu" or not all(_known(layer, turned) for layer in layers):
            return None
        head = eight_bit(model.get_output_embeddings().weight)
        if head is None:
            return None
        weights: list[list[FourBit]] = []
        for names in PROJECTIONS:
            group = []
            for layer in layers:
                found = four_bit(torch.cat([layer.get_submodule(name).weight for name in names]))
                if found is None:
                    return None
                group.append(found)
            weights.append(group)
        return cls(model, weights, head, turns)

    @property
    def nbytes(self) -> int:
        """Bytes of the layers' weights, all of which a token reads."""
        return sum(array.nbytes for array in (*self._levels, *self._scales))

    @property
    def head_bytes(self) -> int:
        """Bytes of the output embedding, which the logits of one token read."""
        return self._head.levels.nbytes + self._head.steps.nbytes

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
            *self._buffers[cache],
            slot,
            np.array(ends),
            turns.numpy(),
            self._scale,
        )
        return self._norm(row[None]).to(self._embedding.dtype)

    def logits(self, hidden: Tensor) -> Tensor:
        """The next-token logits of one hidden state: `[1, hidden]` to `[1, vocabulary]`, in fp32."""
        out = np.empty(len(self._head.levels), np.float32)
        share_threads()
        row_kernels.multiply(hidden.float().view(-1, GROUP).numpy(), self._head.levels, self._head.steps, out)
        return torch.from_numpy(out)[None]


def _known(layer: Any, turned: int) -> bool:
    """Whether the kernels compute what a decoder layer does, in which RoPE turns `turned` dimensions."""
    projections = [layer.get_submodule(name) for names in PROJECTIONS for name in names]
    attention = layer.self_attn
    return (
        all(type(module) is nn.Linear and module.bias is None for module in projections)
        and not hasattr(attention, "q_norm")
        and bool(getattr(attention, "use_rope", True))
        and attention.head_dim == turned
    )
