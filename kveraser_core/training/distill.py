"""The loss of an eraser: how far answers from the edited cache are from those of full recompute.

For one context: the frozen backbone reads the document with its spans, and again without them (the
teacher, which never sees a span). The eraser's states for the spans are computed with gradients and put
where the erase method puts them; the questions, with their answers, are read behind both caches in one
packed pass each, and the loss is KL(teacher || student) on the answers' tokens.
"""

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from kveraser_core.adapters import Adapter
from kveraser_core.backbone import Backbone
from kveraser_core.context import Context, read_context
from kveraser_core.erasers import get_method
from kveraser_core.erasers.base import close_gaps
from kveraser_core.erasers.kveraser import KVEraser, seen_layout, steered_layout
from kveraser_core.kv_cache import EditableCache
from kveraser_core.layout import Layout, laid_out
from kveraser_core.prompts import Prompt
from kveraser_core.spans import Span
from kveraser_core.training.examples import Example

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
    """Makes the loss of examples for one backbone and one of the methods `kveraser` or `kveraser_repair`."""

    def __init__(self, backbone: Backbone, method: str) -> None:
        made = get_method(method)
        if not isinstance(made, KVEraser):
            raise ValueError(f"{method} has no eraser to train")
        self.backbone, self.method = backbone, made
        self.prompt = Prompt(backbone)

    def loss(self, example: Example) -> Tensor:
        """The mean KL in nats over the answers' tokens, a scalar with gradients to the eraser's weights."""
        packed = _Packed(self.prompt, example)
        with torch.no_grad():
            context = read_context(self.backbone, example.ids)
            spans = [span.shifted(context.document_start) for span in example.spans]
            exact = close_gaps(context, spans, recompute=len(context.ids))
            teacher = self._logits(_states(exact), exact.next_position, packed)
            self.method.recompute(context, spans)
        layout = steered_layout(context, spans, self._eraser.bias)
        return _kl(teacher, self._logits(self._steered(context, spans), len(context.ids), packed, layout))

    @property
    def _eraser(self) -> Adapter:
        assert self.backbone.eraser is not None
        return self.backbone.eraser

    def _steered(self, context: Context, spans: list[Span]) -> States:
        """The context's states with the eraser's, with gradients, in the spans' slots."""
        parts, done = list[States](), 0
        states = _states(context.cache)
        for span in spans:
            layout = seen_layout(context, spans, span.start)
            layers = [_PastLayer(keys, values, layout) for keys, values in _cut(states, 0, span.start)]
            positions = torch.arange(span.start, span.end)
            with self._eraser.active():
                self._forward(context.ids[span.start : span.end], positions, layers, None)
            parts += [_cut(states, done, span.start), [layer.new for layer in layers if layer.new]]
            done = span.end
        return _join([*parts, _cut(states, done, len(context.ids))])

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

    def __init__(self, prompt: Prompt, example: Example) -> None:
        self.ids: list[int] = []
        self.predicting: list[int] = []
        offsets, rows = list[int](), list[int]()
        end = min(prompt.backbone.end_ids)
        for number, question in enumerate(example.questions):
            asked = prompt.question_ids(question.text)
            answer = [*prompt.backbone.tokenize(question.answer)[0], end]
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


def _join(parts: list[States]) -> States:
    return [
        (
            torch.cat([part[layer][0] for part in parts], dim=2),
            torch.cat([part[layer][1] for part in parts], dim=2),
        )
        for layer in range(len(parts[0]))
    ]


def _kl(teacher: Tensor, student: Tensor) -> Tensor:
    expected, actual = teacher.log_softmax(-1), student.log_softmax(-1)
    return (expected.exp() * (expected - actual)).sum(-1).mean()
