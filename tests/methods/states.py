"""Keys and values of an edited cache, and how they are compared."""

import json

import torch
from peft import PeftModel
from transformers import DynamicCache

from kveraser_core.cache.view import SlotRange
from kveraser_core.documents.spans import Span
from kveraser_core.methods import get_method, make_plan
from kveraser_core.methods.apply import apply
from kveraser_core.methods.edits import erasures
from tests.tiny import tiny_model

CLOSE = {"atol": 2e-5, "rtol": 1e-4}


def states(cache):
    return [tuple(tensor.clone() for tensor in layer.filled()) for layer in cache.editable]


def pairs(left, right):
    return zip([t for layer in left for t in layer], [t for layer in right for t in layer], strict=True)


def same(left, right):
    return all(torch.equal(a, b) for a, b in pairs(left, right))


def close(left, right):
    for a, b in pairs(left, right):
        torch.testing.assert_close(a, b, **CLOSE)


def read_by_transformers(model, ids, past=None, positions=None):
    """Keys and values of `ids` behind `past`, by transformers' own cache."""
    cache = DynamicCache()
    for index, (keys, values) in enumerate(past or []):
        cache.update(keys, values, index)
    with torch.no_grad():
        model(torch.tensor([ids]), past_key_values=cache, position_ids=positions)
    return [(layer.keys, layer.values) for layer in cache.layers]


def kept_slots(context, spans):
    return [slot for slot in range(len(context.ids)) if not any(s.start <= slot < s.end for s in spans)]


def select(layers, slots):
    return [(keys[:, :, slots], values[:, :, slots]) for keys, values in layers]


def plain_model(context):
    return tiny_model(context.backbone.model.config.model_type, "sdpa")


def load_eraser(context, save_adapter, zero=False, lookahead=None):
    """Load a random eraser for the published method, or with `lookahead` for ours; its folder."""
    folder = save_adapter(context.backbone.model.config.model_type, zero=zero)
    if lookahead:
        (folder / "steering.json").write_text(json.dumps({"method": "kveraser_lookahead", "lookahead": lookahead}))
    context.backbone.load_eraser(folder)
    return folder


def load_eraser_for(name, context, save_adapter):
    """Load a random eraser for the method of that name, if it needs one."""
    if wanted := get_method(name).eraser:
        load_eraser(context, save_adapter, lookahead=None if wanted == "kveraser" else 9)


def peft_model(context, folder):
    """The plain model with the adapter in `folder` on it, by PEFT."""
    return PeftModel.from_pretrained(plain_model(context), folder)


def edit(method, context, spans):
    """The cache of `context` edited by a method, or by the one of that name."""
    named = get_method(method) if isinstance(method, str) else method
    return apply(make_plan(named, context.ids, erasures(spans), context.backbone), context.cache, context.backbone)


def seen(cache):
    """What a question after an edited cache attends to: the states in its view, keys rotated as it sees them."""
    ranges = cache.view.ranges if cache.view else [SlotRange(0)]
    rotation, length = cache.rotation, cache.length

    def moved(keys, number):
        parts = [
            rotation.shift(keys[:, :, part.start : length if part.end is None else part.end], number, part.shift)
            for part in ranges
        ]
        return torch.cat(parts, dim=2)

    def shown(values):
        return torch.cat([values[:, :, p.start : length if p.end is None else p.end] for p in ranges], dim=2)

    return [(moved(keys, number), shown(values)) for number, (keys, values) in enumerate(states(cache))]


def ahead(context, spans, lookahead):
    """For each span the slots that hold the tokens behind it, and these tokens' own."""
    ends = [*(span.start for span in spans[1:]), len(context.ids)]
    counts = [min(lookahead, len(span), end - span.end) for span, end in zip(spans, ends, strict=True)]
    return [
        (Span(span.start, span.start + count), Span(span.end, span.end + count))
        for span, count in zip(spans, counts, strict=True)
    ]


def one(context):
    start = context.document_start + 20
    return [Span(start, start + 25)]


def several(context):
    start, end = context.document_start, len(context.ids)
    return [Span(start, start + 7), Span(start + 30, start + 41), Span(end - 5, end)]
