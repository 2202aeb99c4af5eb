"""The engine that runs on any device: the decoder's layers written out in PyTorch, with few operations.

For the few rows of a question, a span or one decoded token, the modules of transformers and PEFT spend as long
between the operations as in them. Here nothing is built for a pass but what the layers compute, and the eraser's
low-rank products are one for all projections that have the same input.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.layer import EditableLayer
from kveraser_core.cache.rotation import rotated
from kveraser_core.engines.attention import cached_attention
from kveraser_core.engines.batch import PROJECTIONS, LowRankWeights, Segment
from kveraser_core.engines.engine import Engine
from kveraser_core.engines.packed import Linear, packed, worth_packing

_QKV, _OUT, _GATE_UP, _DOWN = range(4)
LowRank = list[tuple[Tensor, Tensor]]
"""What an eraser adds in one layer, for each group of projections: `[in, ranks]` and `[ranks, out]`."""


class TorchEngine(Engine):
    """A decoder of the Llama family. Linear layers read packed copies of their weights where that is faster.

    Without `pack_layers` only the output embedding does.
    """

    name = "torch"

    def __init__(self, model: PreTrainedModel, pack_layers: bool = True) -> None:
        decoder: Any = model.get_decoder()
        self._embedding, self._norm, self._rotary = decoder.embed_tokens, _Norm(decoder.norm), decoder.rotary_emb
        worth = worth_packing(model)
        linear = packed if worth and pack_layers else _as_it_is
        self._layers = [_Layer(layer, number, linear) for number, layer in enumerate(decoder.layers)]
        self._head = (packed if worth else _as_it_is)(model.get_output_embeddings())
        self._eraser: list[LowRank] | None = None
        self.cache_dtype = model.dtype

    def use_eraser(self, eraser: LowRankWeights) -> None:
        self._eraser = [layer.low_rank(eraser) for layer in self._layers]

    @torch.inference_mode()
    def forward(
        self,
        batch: Sequence[Segment],
        cache: EditableCache,
        num_outputs: int,
        between: Callable[[], object] = lambda: None,
    ) -> Tensor:
        for segment in batch:
            wanted = num_outputs if segment is batch[-1] else 0
            if segment.slots is None:
                hidden = self._run(segment, cache, wanted, between)
            else:
                with cache.overwriting(segment.slots, segment.view):
                    hidden = self._run(segment, cache, wanted, between)
        return hidden

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        return self._head(hidden)

    def _run(self, segment: Segment, cache: EditableCache, num_outputs: int, between: Callable[[], object]) -> Tensor:
        rows = self._embedding.weight[torch.tensor(segment.ids, device=self._embedding.weight.device)]
        positions = cache.positions(len(segment.ids)).to(rows.device)
        cos, sin = (part.transpose(0, 1) for part in self._rotary(rows[None].float(), positions[None]))
        half = sin.shape[-1] // 2
        turn = cos, torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)
        eraser = self._eraser if segment.eraser else None
        for number, layer in enumerate(self._layers):
            if number:
                between()
            wanted = num_outputs if layer is self._layers[-1] else len(rows)
            if rows.device != layer.device:  # a model that is spread over several
                rows, turn = rows.to(layer.device), (turn[0].to(layer.device), turn[1].to(layer.device))
            rows = layer(rows, cache.editable[number], turn, wanted, eraser[number] if eraser else None)
        return self._norm(rows.to(self._norm.device))


def _as_it_is(layer: Linear) -> Linear:
    return layer


class _Layer:
    def __init__(self, layer: Any, number: int, linear: Callable[[Any], Linear]) -> None:
        self.number = number
        self.before, self.between = _Norm(layer.input_layernorm), _Norm(layer.post_attention_layernorm)
        self.device = self.before.device
        attention = layer.self_attn
        self.modules = [[layer.get_submodule(name) for name in names] for names in PROJECTIONS]
        self.groups: list[list[Linear]] = [[linear(module) for module in group] for group in self.modules]
        self.activation = layer.mlp.act_fn
        self.dim, self.scale = attention.head_dim, attention.scaling
        self.heads, self.kv_heads = (module.out_features // self.dim for module in self.modules[_QKV][:2])
        self.norms = (_Norm(attention.q_norm), _Norm(attention.k_norm)) if hasattr(attention, "q_norm") else None
        self.rotated = bool(getattr(attention, "use_rope", True))

    def __call__(
        self, rows: Tensor, states: EditableLayer, turn: tuple[Tensor, Tensor], wanted: int, eraser: LowRank | None
    ) -> Tensor:
        """The rows for the next layer: the last `wanted`; keys and values of all go into `states`."""
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
        attended = cached_attention(query.transpose(0, 1)[None], keys, values, self.scale, self.number)
        rows = rows + self._project(_OUT, attended[0].transpose(0, 1).reshape(wanted, -1), eraser)
        gate, up = self._project(_GATE_UP, self.between(rows), eraser).chunk(2, dim=-1)
        return rows + self._project(_DOWN, self.activation(gate) * up, eraser)

    def _project(self, group: int, rows: Tensor, eraser: LowRank | None) -> Tensor:
        """The products of `rows` with the weights of a group, side by side."""
        parts = [linear(rows) for linear in self.groups[group]]
        out = torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]
        if eraser:
            into, back = eraser[group]
            out.addmm_(rows @ into, back)
        return out

    def low_rank(self, eraser: LowRankWeights) -> LowRank:
        made = []
        for names, modules in zip(PROJECTIONS, self.modules, strict=True):
            pairs = [eraser.low_rank(f"layers.{self.number}.{name}") for name in names]
            into = [first for first, _ in pairs if first is not None]
            back = [
                torch.zeros(module.out_features, 0) if second is None else second
                for module, (_, second) in zip(modules, pairs, strict=True)
            ]
            weight = modules[0].weight
            first = torch.cat(into) if into else torch.zeros(0, modules[0].in_features)
            second = torch.block_diag(*[matrix.to(weight.device, torch.float32) for matrix in back])
            made.append((first.T.to(weight).contiguous(), second.T.to(weight).contiguous()))
        return made


class _Norm:
    """RMSNorm, of which PyTorch has no single operation on the CPU."""

    def __init__(self, norm: Any) -> None:
        self.norm, self.device = norm, norm.weight.device
        self.epsilon = torch.tensor(norm.variance_epsilon, device=self.device)

    def __call__(self, rows: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True, dtype=torch.float32)
        scale = torch.addcmul(self.epsilon, length, length, value=1 / rows.shape[-1]).rsqrt_()
        return (rows * scale).to(rows.dtype) * self.norm.weight
