"""The loss of an eraser: how far answers from the edited caches are from those of full recompute.

For one context: the frozen backbone reads the document with its spans, and again without them (the
teacher, which never sees a span). The eraser's states for the spans are computed with gradients and put
where each erase method that uses them puts them; the questions, with their answers, are read behind all
caches in one packed pass each, and the loss is KL(teacher || student) on the answers' tokens.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from kveraser_core.backbone import Backbone
from kveraser_core.context import Context, read_context
from kveraser_core.erasers import METHODS
from kveraser_core.erasers.base import close_gaps
from kveraser_core.erasers.kveraser import KVEraser, seen_layout, steered_layout, steered_slots
from kveraser_core.generation import Generated, Sampling, generate
from kveraser_core.kv_cache import EditableCache
from kveraser_core.layout import Layout, laid_out
from kveraser_core.prompts import Prompt
from kveraser_core.spans import Span
from kveraser_core.training.examples import Example

_OWN_ANSWER = 10
"""Tokens at most of an answer that the teacher gives itself."""

States = list[tuple[Tensor, Tensor]]
"""Keys and values of some tokens, one pair a layer: `[1, kv_heads, tokens, head_dim]` each."""


class _PastLayer(CacheLayerMixin):
    """A layer's past, to which new tokens are joined with gradients."""

    is_croppable = False

    def __init__(self, keys: Tensor, values: Tensor, layout: Layout | None) -> None:
        super().__init__()
        self.past, self.layout = (keys, values), layout
        self.new: tuple[Tensor, Tensor] | None = None
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        raise NotImplementedError

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        self.new = key_states, value_states
        keys = laid_out(torch.cat((self.past[0], key_states), dim=2), self.layout)
        return keys, torch.cat((self.past[1], value_states), dim=2)

    def get_seq_length(self) -> int:
        return self.past[0].shape[2]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1


class Distiller:
    """Makes the loss of examples for one backbone: the mean over all erase methods that use an eraser."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self.methods = [method for method in METHODS.values() if isinstance(method, KVEraser)]
        self.prompt = Prompt(backbone)

    def loss(self, example: Example) -> Tensor:
        """The mean KL in nats over the answers' tokens, a scalar with gradients to the eraser's weights.

        The first question is answered by the teacher itself, as it is when methods are measured; the
        others have the answers of the example.
        """
        with torch.no_grad():
            context = read_context(self.backbone, example.ids)
            spans = [span.shifted(context.document_start) for span in example.spans]
            exact = close_gaps(context, spans, recompute=len(context.ids))
            packed = _Packed(self._turns(example, exact))
            teacher = self._logits(_states(exact), exact.next_position, packed)
        eraser = self.backbone.needed_eraser
        steered, layout = steered_slots(spans, eraser), steered_layout(context, spans, eraser)
        next_position = len(context.ids) - sum(map(len, spans))
        losses, steering = [], list[States]()
        for method in self.methods:
            with torch.no_grad():
                method.recompute(context, spans, method.stale(context, spans))
            if not steering or len(spans) > 1:  # one span never sees what is recomputed behind it
                steering = self._steering(context, spans, steered)
            states = _overwritten(_states(context.cache), steered, steering)
            losses.append(_kl(teacher, self._logits(states, next_position, packed, layout)))
        return torch.stack(losses).mean()

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

    def _steering(self, context: Context, spans: Sequence[Span], steered: Sequence[Span]) -> list[States]:
        """The eraser's states for the `steered` slots of each span, with gradients."""
        made = []
        for slots in steered:
            layout = seen_layout(context, spans, slots.start)
            prefix = _cut(_states(context.cache), 0, slots.start)
            layers = [_PastLayer(keys, values, layout) for keys, values in prefix]
            with self.backbone.needed_eraser.active():
                positions = torch.arange(slots.start, slots.end)
                self._forward(context.ids[slots.start : slots.end], positions, layers, None)
            made.append([layer.new for layer in layers if layer.new])
        return made

    def _logits(self, states: States, next_position: int, packed: "_Packed", layout: Layout | None = None) -> Tensor:
        """The logits that predict the answers' tokens behind `states`: `[answer tokens, vocabulary]`."""
        layers = [_PastLayer(keys, values, layout) for keys, values in states]
        positions = packed.offsets + next_position
        mask = packed.mask(layers[0].get_seq_length(), self.backbone.device)
        hidden = self._forward(packed.ids, positions, layers, mask)
        return self.backbone.model.get_output_embeddings()(hidden[packed.predicting]).float()

    def _forward(self, ids: list[int], positions: Tensor, layers: list[_PastLayer], mask: Tensor | None) -> Tensor:
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


def _cut(states: States, start: int, end: int) -> States:
    return [(keys[:, :, start:end], values[:, :, start:end]) for keys, values in states]


def _overwritten(states: States, slots: Sequence[Span], written: Sequence[States]) -> States:
    """Copies of `states` with those `written` in `slots`."""
    parts, done = list[States](), 0
    for part, new in zip(slots, written, strict=True):
        parts += [_cut(states, done, part.start), new]
        done = part.end
    parts.append(_cut(states, done, states[0][0].shape[2]))
    return [
        (
            torch.cat([part[layer][0] for part in parts], dim=2),
            torch.cat([part[layer][1] for part in parts], dim=2),
        )
        for layer in range(len(states))
    ]


def _kl(teacher: Tensor, student: Tensor) -> Tensor:
    expected, actual = teacher.log_softmax(-1), student.log_softmax(-1)
    return (expected.exp() * (expected - actual)).sum(-1).mean()
