"""Tokens through the model on the CPU: the decoder's layers written out, with few operations.

For the few rows of a question, a span or one decoded token, the modules of transformers and PEFT spend as
long between the operations as in them. Here nothing is built for a pass but what the layers compute, and an
eraser's low-rank products are one for all projections that read the same rows. It is the same for every
cache and layout, and knows nothing about documents or erase methods.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.layer import EditableLayer
from kveraser_core.cache.rotation import rotated
from kveraser_core.engines.attention import cached_attention
from kveraser_core.engines.cpu.row_pass import PROJECTIONS
from kveraser_core.model.adapters import Adapter

_QKV, _OUT, _GATE_UP, _DOWN = range(4)
LowRank = list[tuple[Tensor, Tensor]]
"""What an eraser adds in one layer, for each group of projections: `[in, ranks]` and `[ranks, out]`."""


class DecoderPass:
    """The decoder of a model of the Llama family, without gradients, batch size 1."""

    def __init__(self, model: PreTrainedModel) -> None:
        decoder: Any = model.get_decoder()
        self.embedding, self.norm, self.rotary = decoder.embed_tokens, _Norm(decoder.norm), decoder.rotary_emb
        self.layers = [_Layer(layer, number) for number, layer in enumerate(decoder.layers)]

    def __call__(
        self, token_ids: Sequence[int], cache: EditableCache, wanted: int, eraser: list[LowRank] | None = None
    ) -> Tensor:
        """Run tokens behind those in `cache`, which gets their states; the last hidden states, `[wanted, hidden]`."""
        rows = self.embedding.weight[torch.tensor(token_ids)]
        positions = cache.positions(len(token_ids))
        cos, sin = (part.transpose(0, 1) for part in self.rotary(rows[None].float(), positions[None]))
        half = sin.shape[-1] // 2
        turn = cos, torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)
        for number, layer in enumerate(self.layers):
            going_on = wanted if layer is self.layers[-1] else len(rows)
            rows = layer(rows, cache.editable[number], turn, going_on, eraser[number] if eraser else None)
        return self.norm(rows)

    def low_rank(self, adapter: Adapter) -> list[LowRank]:
        """What `adapter` adds to the projections, as passes take it."""
        return [layer.low_rank(adapter) for layer in self.layers]


class _Layer:
    def __init__(self, layer: Any, number: int) -> None:
        self.number = number
        self.before, self.between = _Norm(layer.input_layernorm), _Norm(layer.post_attention_layernorm)
        self.groups = [[layer.get_submodule(name) for name in names] for names in PROJECTIONS]
        attention = layer.self_attn
        self.activation = layer.mlp.act_fn
        self.dim, self.scale = attention.head_dim, attention.scaling
        self.heads, self.kv_heads = (module.out_features // self.dim for module in self.groups[_QKV][:2])
        self.norms = (_Norm(attention.q_norm), _Norm(attention.k_norm)) if hasattr(attention, "q_norm") else None
        self.rotated = bool(getattr(attention, "use_rope", True))

    def __call__(
        self, rows: Tensor, states: EditableLayer, turn: tuple[Tensor, Tensor], wanted: int, eraser: LowRank | None
    ) -> Tensor:
        """The rows for the next layer: the last `wanted`; the states of all go into `states`."""
        count = len(rows)
        heads = self._project(_QKV, self.before(rows), eraser).view(count, -1, self.dim)
        turned, value = heads[:, : -self.kv_heads], heads[:, -self.kv_heads :]
        if self.norms:
            query, key = turned[:, : self.heads], turned[:, self.heads :]
            turned = torch.cat((self.norms[0](query), self.norms[1](key)), dim=1)
        if self.rotated:
            turned = rotated(turned, *turn)
        query, key = turned[:, : self.heads], turned[:, self.heads :]
        keys, values = states.update(key.transpose(0, 1)[None], value.transpose(0, 1)[None])
        if not wanted:
            return rows[count:]
        if wanted < count:
            rows, query = rows[count - wanted :], query[count - wanted :]
        seen = cached_attention(query.transpose(0, 1)[None], keys, values, self.scale, self.number)
        rows = rows + self._project(_OUT, seen[0].transpose(0, 1).reshape(wanted, -1), eraser)
        gate, up = self._project(_GATE_UP, self.between(rows), eraser).chunk(2, dim=-1)
        return rows + self._project(_DOWN, self.activation(gate) * up, eraser)

    def _project(self, group: int, rows: Tensor, eraser: LowRank | None) -> Tensor:
        """The products of `rows` with the weights of a group, side by side."""
        parts = [module(rows) for module in self.groups[group]]
        out = torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]
        if eraser:
            into, back = eraser[group]
            out.addmm_(rows @ into, back)
        return out

    def low_rank(self, adapter: Adapter) -> LowRank:
        made = []
        for names, modules in zip(PROJECTIONS, self.groups, strict=True):
            pairs = [adapter.low_rank(f"layers.{self.number}.{name}") for name in names]
            into = [first for first, _ in pairs if first is not None]
            back = [
                torch.zeros(module.out_features, 0) if second is None else second
                for module, (_, second) in zip(modules, pairs, strict=True)
            ]
            dtype, width = modules[0].weight.dtype, modules[0].in_features
            first = torch.cat(into) if into else torch.zeros(0, width)
            second = torch.block_diag(*[matrix.float() for matrix in back])
            made.append((first.T.to(dtype).contiguous(), second.T.to(dtype).contiguous()))
        return made


class _Norm:
    """RMSNorm, of which PyTorch has no single operation on the CPU."""

    def __init__(self, norm: Any) -> None:
        self.norm, self.epsilon = norm, torch.tensor(norm.variance_epsilon)

    def __call__(self, rows: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True, dtype=torch.float32)
        scale = torch.addcmul(self.epsilon, length, length, value=1 / rows.shape[-1]).rsqrt_()
        return (rows * scale).to(rows.dtype) * self.norm.weight
