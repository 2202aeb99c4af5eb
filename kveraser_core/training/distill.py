"""The loss of an eraser: how far answers from the edited caches are from those of full recompute.

For one context: the frozen backbone reads the document with its spans, and again without them (the
teacher, which never sees a span). The passes of an erase method are run with gradients to the eraser's
weights; the questions, with their answers, are read behind both caches in one packed pass each, and the
loss is KL(teacher || student) on the answers' tokens.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.view import Layout, Rewrite, laid_out
from kveraser_core.methods import METHODS
from kveraser_core.methods.base import close_gaps
from kveraser_core.methods.kveraser import KVEraser
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Generated, Sampling, generate
from kveraser_core.model.prompts import Prompt
from kveraser_core.sessions.context import read_context
from kveraser_core.tasks.examples import Example

_OWN_ANSWER = 10
"""Tokens at most of an answer that the teacher gives itself."""

States = list[tuple[Tensor, Tensor]]
"""Keys and values of some tokens, one pair a layer: `[1, kv_heads, tokens, head_dim]` each."""


class _PastLayer(CacheLayerMixin):
    """A layer's past, to which new tokens are joined with gradients."""

    is_croppable = False

    def __init__(self, number: int, keys: Tensor, values: Tensor, layout: Layout | None) -> None:
        super().__init__()
        self.number, self.past, self.layout = number, (keys, values), layout
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        raise NotImplementedError

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Any, Tensor]:
        if self.layout:
            key_states = self.layout.joining(key_states, self.number)
        keys = laid_out(torch.cat((self.past[0], key_states), dim=2), self.layout)
        return keys, torch.cat((self.past[1], value_states), dim=2)

    def get_seq_length(self) -> int:
        return self.past[0].shape[2]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1


class _RewrittenLayer(_PastLayer):
    """A layer's past, over some slots of which new tokens are written with gradients."""

    def __init__(self, number: int, keys: Tensor, values: Tensor, layout: Layout, slots: Tensor) -> None:
        super().__init__(number, keys, values, layout)
        self.slots = slots

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Any, Tensor]:
        keys, values = self.past
        self.past = keys.index_copy(2, self.slots, key_states), values.index_copy(2, self.slots, value_states)
        return laid_out(self.past[0], self.layout), self.past[1]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length(), 0


class Distiller:
    """Makes the loss of examples for one backbone and the erase methods that use an eraser."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self.methods = [method for method in METHODS.values() if isinstance(method, KVEraser)]
        self.prompt = Prompt(backbone)

    def loss(self, example: Example, method: KVEraser) -> Tensor:
        """The mean KL in nats over the answers' tokens, a scalar with gradients to the eraser's weights.

        0 where so little stands behind the spans that the erase is full recompute.

        The first question is answered by the teacher itself, as it is when methods are measured; the
        others have the answers of the example.
        """
        with torch.no_grad():
            context = read_context(self.backbone, example.ids)
            spans = [span.shifted(context.document_start) for span in example.spans]
            if method.exact(context, spans):
                return torch.zeros(())
            exact = close_gaps(context, spans, recompute=len(context.ids))
            packed = _Packed(self._turns(example, exact))
            teacher = self._logits(_states(exact), exact.next_position, packed)
        states, layout = _states(context.cache), method.layout(context, spans)
        for rewrite in chain.from_iterable(method.passes(context, spans)):
            states = self._rewritten(states, rewrite)
        next_position = len(context.ids) - sum(map(len, spans))
        return _kl(teacher, self._logits(states, next_position, packed, layout))

    def _turns(self, example: Example, exact: EditableCache) -> list[tuple[list[int], list[int]]]:
        """Every question with its answer, as token ids."""
        turns = []
        for number, question in enumerate(example.questions):
            asked = self.prompt.question_ids(question.text)
            if number:
                answer = [*self.backbone.tokenize(question.answer)[0], min(self.backbone.end_ids)]
            else:
                *_, own = generate(self.backbone, exact, asked, Sampling(max_tokens=_OWN_ANSWER))
                assert isinstance(own, Generated)
                answer = own.token_ids
            turns.append((asked, answer))
        return turns

    def _rewritten(self, states: States, rewrite: Rewrite) -> States:
        """`states` with those that a pass of the erase writes, with gradients to the eraser's weights."""
        slots = torch.tensor(rewrite.slots)
        layout = replace(rewrite.layout, queries=slots)
        targets = slots.to(self.backbone.device)
        layers = [_RewrittenLayer(number, *pair, layout, targets) for number, pair in enumerate(states)]
        with self.backbone.needed_eraser.active() if rewrite.erasing else nullcontext():
            self._forward(rewrite.ids, slots, layers, None)
        return [layer.past for layer in layers]

    def _logits(self, states: States, next_position: int, packed: "_Packed", layout: Layout | None = None) -> Tensor:
        """The logits that predict the answers' tokens behind `states`: `[answer tokens, vocabulary]`."""
        layers = [_PastLayer(number, *pair, layout) for number, pair in enumerate(states)]
        positions = packed.offsets + next_position
        mask = packed.mask(layers[0].get_seq_length(), self.backbone.device)
        hidden = self._forward(packed.ids, positions, layers, mask)
        return self.backbone.model.get_output_embeddings()(hidden[packed.predicting]).float()

    def _forward(
        self, ids: list[int], positions: Tensor, layers: Sequence[_PastLayer], mask: Tensor | None
    ) -> Tensor:
        device = self.backbone.device
        out = self.backbone.model.get_decoder()(
            input_ids=torch.tensor([ids], device=device),
            position_ids=positions[None].to(device),
            attention_mask=mask,
            past_key_values=Cache(layers=list(layers)),
            use_cache=True,
        )
        return out.last_hidden_state[0]


class _Packed:
    """Questions with their answers, one behind the other, each seeing the past and itself only.

    `offsets` are positions relative to the past's next one, `predicting` the tokens whose successor is
    an answer's token.
    """

    def __init__(self, turns: Sequence[tuple[list[int], list[int]]]) -> None:
        self.ids: list[int] = []
        self.predicting: list[int] = []
        offsets, rows = list[int](), list[int]()
        for number, (asked, answer) in enumerate(turns):
            start = len(self.ids)
            self.ids += [*asked, *answer[:-1]]
            self.predicting += range(start + len(asked) - 1, len(self.ids))
            offsets += range(len(self.ids) - start)
            rows += [number] * (len(self.ids) - start)
        self.offsets, self._rows = torch.tensor(offsets), torch.tensor(rows)

    def mask(self, past: int, device: torch.device) -> Tensor:
        """Who sees whom: `[1, 1, tokens, past + tokens]`, true where seen."""
        same = self._rows[:, None] == self._rows[None, :]
        own = same.tril()
        return torch.cat((own.new_ones(len(self.ids), past), own), dim=1)[None, None].to(device)


def _states(cache: EditableCache) -> States:
    return [layer.filled() for layer in cache.editable]


def _kl(teacher: Tensor, student: Tensor) -> Tensor:
    expected, actual = teacher.log_softmax(-1), student.log_softmax(-1)
    return (expected.exp() * (expected - actual)).sum(-1).mean()
