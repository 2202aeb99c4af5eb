"""A block of tokens through a model, a compiled call a layer: what prefilling, erasing and asking do.

It takes the place of the torch engine on CPUs that have no matrix tiles (AMX), for which a library's products are
faster.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.rotation import Turns
from kveraser_core.cache.view import ALL_SLOTS, Ranges
from kveraser_core.engines.batch import PROJECTIONS, LowRankWeights, Segment
from kveraser_core.engines.cpu.block_attention import GROUP, KEYS
from kveraser_core.engines.cpu.block_kernels import LayerEraser, LayerWeights, run_layer
from kveraser_core.engines.cpu.compiled import Array, bits, share_threads
from kveraser_core.engines.cpu.panels import NOTHING, fits, padded, to_panels
from kveraser_core.engines.cpu.quantised import quantised
from kveraser_core.engines.cpu.scalars import LOG2_E, PER_WORD
from kveraser_core.engines.cpu.vector_code import LANES

_NO_ERASER = LayerEraser(*[NOTHING] * len(LayerEraser._fields))
_STILL = np.array([[1], [0]], np.float32)
"""Cosine and sine where nothing is turned."""
_Block = tuple[int, int, int, int, int, bool]


class _Part(NamedTuple):
    """A segment: its tokens, their slots and positions, `[tokens]` each, and what of the cache they attend to."""

    ids: Sequence[int]
    slots: Array
    positions: Tensor
    ranges: Ranges


class BlockPass:
    """A model's decoder for blocks of tokens on the CPU, with a copy of the layers' weights in panels."""

    def __init__(self, model: PreTrainedModel, turns: Turns) -> None:
        decoder: Any = model.get_decoder()
        self._embedding, self._norm = decoder.embed_tokens.weight, decoder.norm
        self._turns = turns
        self._epsilon = np.float32(decoder.norm.variance_epsilon)
        self._layers = decoder.layers
        attention = self._layers[0].self_attn
        self._dim, self._scale = attention.head_dim, np.float32(attention.scaling * LOG2_E)
        self._kv_heads = attention.k_proj.out_features // self._dim
        self._shared = attention.q_proj.out_features // self._dim // self._kv_heads
        self._weights = [_weights(layer) for layer in self._layers]
        self._rotated = [bool(getattr(layer.self_attn, "use_rope", True)) for layer in self._layers]

    @classmethod
    def of(cls, model: PreTrainedModel, turns: Turns) -> "BlockPass | None":
        """The pass for `model` with its `turns`, if this is a CPU for it and the kernels know all its parts.

        Keys and values are kept in bf16, so that weights must have come in 16 bits or fewer.
        """
        if torch.cpu._is_amx_tile_supported():
            return None
        decoder: Any = model.get_decoder()
        turned = 2 * len(decoder.rotary_emb.inv_freq)
        if model.config.hidden_act != "silu" or not all(_known(layer, turned) for layer in decoder.layers):
            return None
        if not all(_came_in_16_bits(layer.mlp.down_proj.weight) for layer in decoder.layers):
            return None
        return cls(model, turns)

    def __call__(
        self,
        batch: Sequence[Segment],
        cache: EditableCache,
        num_outputs: int,
        eraser: list[LayerEraser] | None,
        between: Callable[[], object],
    ) -> Tensor:
        """The forward pass of `Engine`, all of `batch` in one go through the layers."""
        parts = list[_Part]()
        for segment in sorted(batch, key=lambda segment: not segment.eraser):  # rows with the eraser on come first
            count = len(segment.ids)
            if segment.slots is None:
                positions, ranges = cache.positions(count), cache.view.ranges if cache.view else ALL_SLOTS
                parts.append(_Part(segment.ids, self._slots(cache, count), positions, ranges))
            else:
                targets = torch.tensor(segment.slots)
                parts.append(_Part(segment.ids, targets.numpy(), targets, segment.view))
        erased = sum(len(segment.ids) for segment in batch if segment.eraser)
        tokens = sum(len(part.ids) for part in parts)
        rows = padded(self._embedding[torch.tensor([token for part in parts for token in part.ids])].float())
        lanes = -(-len(rows) * self._shared // LANES) * LANES
        slots = np.concatenate([part.slots for part in parts])
        limits = slots[np.minimum(np.arange(lanes) // self._shared, tokens - 1)]
        groups, seen, turned = self._seen(parts, lanes)
        blocks, shares = shared_out(groups, torch.get_num_threads())
        turns = self._turns.at(turned).numpy()
        still = turns if all(self._rotated) else np.broadcast_to(_STILL, turns.shape).copy()
        # by PyTorch, whose memory starts with a line of it
        queries = torch.zeros(len(turned), self._kv_heads, lanes * self._dim // PER_WORD, dtype=torch.uint32).numpy()
        sizes = (len(shares) - 1, self._kv_heads, -(-lanes // GROUP))
        sums, tops = torch.empty(*sizes, GROUP * self._dim).numpy(), torch.empty(*sizes, 2, GROUP).numpy()
        share_threads()
        for number, layer in enumerate(cache.editable):
            if number:
                between()
            run_layer(
                rows.numpy(),
                erased,
                num_outputs if number == len(cache.editable) - 1 else tokens,
                self._weights[number],
                eraser[number] if eraser and erased else _NO_ERASER,
                self._epsilon,
                bits(layer.key_buffer[0]),
                bits(layer.value_buffer[0]),
                slots,
                turns if self._rotated[number] else still,
                seen,
                self._scale,
                queries,
                blocks,
                shares,
                limits,
                sums,
                tops,
            )
        return self._norm(rows[tokens - num_outputs : tokens]).to(self._embedding.dtype)

    def _seen(self, parts: Sequence[_Part], lanes: int) -> tuple[list[list[_Block]], Array, Tensor]:
        """What the tokens of `parts` see, as kernels take it.

        The blocks of slots for each part, as in `attend`; the ranges that each token sees, `[tokens, 2]`, as in
        `_place`; and each token's position for each range that it sees, `[ranges, tokens]`, 0 for the others.
        """
        tokens = sum(len(part.ids) for part in parts)
        groups, seen, turned = list[list[_Block]](), list[tuple[int, int]](), list[Tensor]()
        for part in parts:
            blocks = list[_Block]()
            first, after = len(seen) * self._shared, (len(seen) + len(part.ids)) * self._shared
            for shown in part.ranges:
                end = int(part.slots[-1]) + 1 if shown.end is None else shown.end
                lanes_to = lanes if part is parts[-1] else after
                for start in range(shown.start, end, KEYS):
                    until = min(start + KEYS, end)
                    blocks.append((len(turned), start, until, first, lanes_to, shown is part.ranges[-1]))
                turned.append(torch.zeros(tokens, dtype=torch.long))
                turned[-1][len(seen) : len(seen) + len(part.ids)] = part.positions - shown.shift
            groups.append(blocks)
            seen += [(len(turned) - len(part.ranges), len(turned))] * len(part.ids)
        return groups, np.array(seen), torch.stack(turned)

    def low_rank(self, eraser: LowRankWeights) -> list[LayerEraser]:
        """What `eraser` adds to the projections, as passes take it."""
        return [_low_rank(eraser, number, layer) for number, layer in enumerate(self._layers)]

    def _slots(self, cache: EditableCache, tokens: int) -> Array:
        """The slots that the next tokens' states go into."""
        for layer in cache.editable:
            if not layer.is_initialized:
                none = self._embedding.new_empty(1, self._kv_heads, 0, self._dim)
                layer.lazy_initialization(none, none)
        taken = [layer.extend(tokens) for layer in cache.editable]
        return np.arange(*taken[0])


def shared_out(groups: Sequence[Sequence[_Block]], parts: int) -> tuple[Array, Array]:
    """All blocks, `[blocks, 6]`, those of a part side by side, and where each part's begin and end, `[parts + 1]`.

    A group is what the same tokens see. In it parts take turns, so that what a token gets does not depend on the
    tokens that it is read with, and the part with the least to do so far begins.
    """
    given: list[list[_Block]] = [[] for _ in range(parts)]
    work = [0] * parts
    for blocks in groups:
        first = work.index(min(work))
        for number, block in enumerate(blocks):
            part = (first + number) % parts
            given[part].append(block)
            work[part] += (block[2] - block[1]) * (block[4] - block[3])
    return np.array([block for blocks in given for block in blocks]), np.cumsum([0, *map(len, given)])


def _came_in_16_bits(weight: Tensor) -> bool:
    """Whether `weight`, `[out, in]`, was quantised or in 16 bits before it was made fp32."""
    some = weight[:16].detach().float()
    exact = any(torch.equal(some.to(dtype).float(), some) for dtype in (torch.bfloat16, torch.float16))
    return exact or quantised(weight[:16]) is not None


def _known(layer: Any, turned: int) -> bool:
    """Whether the kernels compute what a decoder layer does, in which RoPE turns `turned` dimensions."""
    *states, out, gate, up, down = [layer.get_submodule(name) for names in PROJECTIONS for name in names]
    dim = layer.self_attn.head_dim
    return (
        all(type(module) is nn.Linear and fits(module.weight) for module in (*states, out, gate, up, down))
        and all(module.bias is None for module in (out, gate, up, down))
        and dim == turned
        and dim % LANES == 0
    )


def _weights(layer: Any) -> LayerWeights:
    """A copy of a layer's weights as kernels take them, its projections in panels."""
    projections = [layer.get_submodule(name) for names in PROJECTIONS for name in names]
    attention = layer.self_attn
    states = projections[:3]
    biases = [torch.zeros(module.out_features) if module.bias is None else module.bias for module in states]
    norms = [layer.input_layernorm.weight, layer.post_attention_layernorm.weight, torch.cat(biases)]
    normed = hasattr(attention, "q_norm")
    norms += [attention.q_norm.weight, attention.k_norm.weight] if normed else [torch.empty(0)] * 2
    return LayerWeights(
        *(to_panels(module.weight) for module in projections), *(norm.detach().float().numpy() for norm in norms)
    )


def _low_rank(eraser: LowRankWeights, number: int, layer: Any) -> LayerEraser:
    """What `eraser` adds to the projections of a layer; ranks are made up to whole vectors with zeros."""
    reads, backs = list[Array](), list[Array]()
    for names in PROJECTIONS:
        pairs = [eraser.low_rank(f"layers.{number}.{name}") for name in names]
        ranks = -(-max(0 if first is None else len(first) for first, _ in pairs) // LANES) * LANES
        if not ranks:
            reads.append(NOTHING)
            backs += [NOTHING] * len(names)
            continue
        firsts = list[Tensor]()
        for name, (first, second) in zip(names, pairs, strict=True):
            module = layer.get_submodule(name)
            into, back = torch.zeros(ranks, module.in_features), torch.zeros(module.out_features, ranks)
            if first is not None and second is not None:
                into[: len(first)], back[:, : second.shape[1]] = first, second
            firsts.append(into)
            backs.append(to_panels(back))
        reads.append(to_panels(torch.cat(firsts)))
    return LayerEraser(*reads, *backs)
