"""The loss of an eraser: how far answers from the edited caches are from those of full recompute.

For one context: the frozen backbone prefills the document with its spans, and full recompute without them is the
teacher, which never sees a span. The steps of an erase method's plan are run with gradients to the eraser's weights.
The questions with their answers go through the model after both caches, in one packed pass each, and the loss is
KL(teacher || student) on the answers' tokens.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.cache.rotation import KeyRotation
from kveraser_core.cache.view import AttentionView, viewed
from kveraser_core.engines.batch import Segment
from kveraser_core.methods import METHODS, REFERENCE, EraseMethod, make_plan
from kveraser_core.methods.apply import apply
from kveraser_core.methods.edits import Edit
from kveraser_core.model.adapters import Adapter
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Generated, Sampling, divergence, generate
from kveraser_core.model.prompts import Prompt
from kveraser_core.sessions.context import Context, read_context
from kveraser_core.tasks.examples import Example

_OWN_ANSWER = 10
"""Tokens at most of an answer that the teacher gives itself."""

States = list[tuple[Tensor, Tensor]]
"""Keys and values of some tokens, one pair a layer: `[1, kv_heads, tokens, head_dim]` each."""


class _PastLayer(CacheLayerMixin):
    """A layer's past, to which new tokens are joined with gradients."""

    is_croppable = False

    def __init__(self, number: int, keys: Tensor, values: Tensor, view: AttentionView | None) -> None:
        super().__init__()
        self.number, self.past, self.view = number, (keys, values), view
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        raise NotImplementedError

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Any, Tensor]:
        if self.view:
            key_states = self.view.stored(key_states, self.number)
        keys = viewed(torch.cat((self.past[0], key_states), dim=2), self.view)
        return keys, torch.cat((self.past[1], value_states), dim=2)

    def get_seq_length(self) -> int:
        return self.past[0].shape[2]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1


class _OverwrittenLayer(_PastLayer):
    """A layer's past, over some slots of which new tokens are written with gradients."""

    def __init__(self, number: int, keys: Tensor, values: Tensor, view: AttentionView, slots: Tensor) -> None:
        super().__init__(number, keys, values, view)
        self.slots = slots

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Any, Tensor]:
        keys, values = self.past
        self.past = keys.index_copy(2, self.slots, key_states), values.index_copy(2, self.slots, value_states)
        return viewed(self.past[0], self.view), self.past[1]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length(), 0


class Distiller:
    """Makes the loss of examples for one backbone and the erase methods that use its eraser."""

    def __init__(self, backbone: Backbone, eraser: Adapter) -> None:
        self.backbone, self.eraser = backbone, eraser
        self.methods = [method for method in METHODS.values() if method.eraser == eraser.method]
        self.prompt = Prompt(backbone)

    def loss(self, example: Example, method: EraseMethod) -> Tensor:
        """The mean KL in nats over the answers' tokens, a scalar with gradients to the eraser's weights.

        0 where so little follows the spans that the erase is full recompute. The first question is answered by the
        teacher itself, as it is when methods are measured; the others have the answers of the example.
        """
        with torch.no_grad():
            context = read_context(self.backbone, example.ids)
            edits = example.edits(context.document_start)
            plan = make_plan(method, context.ids, edits, self.backbone)
            if plan.method == REFERENCE:
                return torch.zeros(())
            packed, teacher = self._teacher(example, context, edits)
        states = _states(context.cache)
        for segment in chain.from_iterable(plan.steps):
            states = self._overwritten(states, segment, context.cache.rotation)
        view = AttentionView(context.cache.rotation, plan.view) if plan.view else None
        return divergence(teacher, self._logits(states, plan.next_position, packed, view))

    def _teacher(self, example: Example, context: Context, edits: Sequence[Edit]) -> tuple["_Packed", Tensor]:
        """The questions with their answers, and the logits of full recompute for them."""
        exact = apply(make_plan(METHODS[REFERENCE], context.ids, edits, self.backbone), context.cache, self.backbone)
        try:
            packed = _Packed(self._turns(example, exact.cache))
            return packed, self._logits(_states(exact.cache), exact.cache.next_position, packed)
        finally:
            exact.release()

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

    def _overwritten(self, states: States, segment: Segment, rotation: KeyRotation) -> States:
        """`states` with those that a segment of a step writes, with gradients to the eraser's weights."""
        slots = torch.tensor(segment.slots)
        view = AttentionView(rotation, segment.view, queries=slots)
        targets = slots.to(self.backbone.device)
        layers = [_OverwrittenLayer(number, *pair, view, targets) for number, pair in enumerate(states)]
        with self.eraser.active() if segment.eraser else nullcontext():
            self._forward(segment.ids, slots, layers, None)
        return [layer.past for layer in layers]

    def _logits(
        self, states: States, next_position: int, packed: "_Packed", view: AttentionView | None = None
    ) -> Tensor:
        """The logits that predict the answers' tokens after `states`: `[answer tokens, vocabulary]`."""
        layers = [_PastLayer(number, *pair, view) for number, pair in enumerate(states)]
        positions = packed.offsets + next_position
        mask = packed.mask(layers[0].get_seq_length(), self.backbone.device)
        hidden = self._forward(packed.ids, positions, layers, mask)
        return self.backbone.model.get_output_embeddings()(hidden[packed.predicting]).float()

    def _forward(
        self, ids: Sequence[int], positions: Tensor, layers: Sequence[_PastLayer], mask: Tensor | None
    ) -> Tensor:
        device = self.backbone.device
        out = self.backbone.model.get_decoder()(
            input_ids=torch.tensor([list(ids)], device=device),
            position_ids=positions[None].to(device),
            attention_mask=mask,
            past_key_values=Cache(layers=list(layers)),
            use_cache=True,
        )
        return out.last_hidden_state[0]


class _Packed:
    """Questions with their answers, one after the other, each seeing the past and itself only.

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
