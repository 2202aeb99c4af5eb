"""The methods that re-encode with the eraser on, against what PEFT computes."""

import pytest
import torch

from kveraser_core.documents.spans import Span
from kveraser_core.methods import usable
from kveraser_core.methods.edits import Edit
from kveraser_core.methods.kveraser_repair import KVEraserRepair
from kveraser_core.methods.local_repair import LocalRepair
from kveraser_core.methods.staleness import stale_tokens
from kveraser_core.model.backbone import MissingEraser
from tests.methods.states import (
    ahead,
    close,
    edit,
    kept_slots,
    load_eraser,
    one,
    peft_model,
    read_by_transformers,
    same,
    select,
    states,
)


def moved_together(context, layers, spans, slots, back=0):
    """The states of `slots` as a reader behind `spans`, `back` positions further on, is to see them."""
    ahead = {slot: sum(len(span) for span in spans if span.start > slot) - back for slot in slots}
    rotation = context.cache.rotation
    return [
        (
            torch.cat([rotation.shift(keys[:, :, [slot]], number, ahead[slot]) for slot in slots], dim=2),
            values[:, :, list(slots)],
        )
        for number, (keys, values) in enumerate(layers)
    ]


def read_again(context, model, layers, unseen, slots, ids):
    """What `model` makes of `ids` in `slots`, behind what stands before them but for the `unseen` slots."""
    before = [other for other in unseen if other.end <= slots.start]
    past = moved_together(context, layers, before, [s for s in kept_slots(context, before) if s < slots.start])
    positions = torch.arange(slots.start, slots.end)[None]
    read = read_by_transformers(model, ids, past, positions)
    return [tuple(tensor[:, :, -len(slots) :] for tensor in layer) for layer in read]


def test_kveraser_with_a_zero_adapter_writes_the_states_again(context, save_adapter):
    load_eraser(context, save_adapter, zero=True)
    before = states(context.cache)
    edited = edit("kveraser", context, one(context))
    close(states(edited.cache), before)


@pytest.mark.parametrize("chunk", [512, 8])
def test_kveraser_writes_what_peft_computes_and_touches_nothing_else(
    context, spans, save_adapter, monkeypatch, chunk
):
    """The span's tokens, at their own positions, after what the cache holds before them: steering states included."""
    monkeypatch.setattr("kveraser_core.methods.apply.CHUNK", chunk)
    reference = peft_model(context, load_eraser(context, save_adapter))
    before = states(context.cache)
    edited = edit("kveraser", context, spans)
    after = states(edited.cache)
    untouched = kept_slots(context, spans)
    assert same(select(after, untouched), select(before, untouched))
    for span in spans:
        ids, past = context.ids[span.start : span.end], select(after, range(span.start))
        read = read_by_transformers(reference, ids, past, torch.arange(span.start, span.end)[None])
        close(select(after, range(span.start, span.end)), select(read, range(span.start, span.end)))
    assert not same(after, before)
    assert edited.cache.view is None
    assert edited.cache.length == edited.cache.next_position == len(context.ids)
    edited.release()
    assert same(states(context.cache), before)


def test_kveraser_repair_writes_what_the_lookahead_does_and_recomputes_scattered_tokens(context, save_adapter):
    """Each as if it had been encoded alone, after what the cache holds before it, but for the gap."""
    reference = peft_model(context, load_eraser(context, save_adapter, lookahead=9))
    before = states(context.cache)
    (span,) = one(context)
    edited = edit("kveraser_lookahead", context, [span])
    expected = states(edited.cache)
    edited.release()
    gap = Span(span.start + 9, span.end + 9)
    stale = stale_tokens(context.backbone, context.ids, Edit(span), [gap], 6)
    assert len(stale) == 6
    for slot in stale:
        past = moved_together(context, expected, [gap], [kept for kept in kept_slots(context, [gap]) if kept < slot])
        read = read_by_transformers(reference, [context.ids[slot]], past, torch.tensor([[slot]]))
        for (keys, values), (new_keys, new_values) in zip(expected, read, strict=True):
            keys[:, :, slot], values[:, :, slot] = new_keys[:, :, -1], new_values[:, :, -1]
    edited = edit(KVEraserRepair(k=6), context, [span])
    after = states(edited.cache)
    close(select(after, stale), select(expected, stale))
    others = [slot for slot in range(len(context.ids)) if slot not in stale]
    assert same(select(after, others), select(expected, others))
    edited.release()
    assert same(states(context.cache), before)


def test_the_lookahead_writes_the_first_suffix_tokens_over_the_spans_slots(context, spans, save_adapter):
    reference = peft_model(context, load_eraser(context, save_adapter, lookahead=9))
    before = states(context.cache)
    edited = edit("kveraser_lookahead", context, spans)
    after = states(edited.cache)
    looked = ahead(context, spans, 9)
    hidden = [Span(slots.end, tokens.end) for slots, tokens in looked]
    for slots, tokens in looked:
        if slots:
            ids = context.ids[tokens.start : tokens.end]
            expected = read_again(context, reference, after, hidden, slots, ids)
            close(select(after, range(slots.start, slots.end)), expected)
    untouched = kept_slots(context, [slots for slots, _ in looked])
    assert same(select(after, untouched), select(before, untouched))
    assert edited.extra_bytes == sum(len(slots) for slots, _ in looked) * context.cache.token_bytes
    edited.release()
    assert same(states(context.cache), before)


def test_looking_ahead_with_a_zero_adapter_answers_as_local_repair_does(context, save_adapter):
    load_eraser(context, save_adapter, zero=True, lookahead=9)
    question = context.prompt.question_ids("What is the toll?")

    def asked(method):
        edited = edit(method, context, one(context))
        with edited.cache.appending():
            hidden = context.backbone.encode(question, edited.cache)
        edited.release()
        return hidden

    torch.testing.assert_close(asked("kveraser_lookahead"), asked(LocalRepair(9)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["kveraser", "kveraser_lookahead", "kveraser_repair"])
def test_without_an_eraser_the_method_says_so(name, context, spans):
    before = states(context.cache)
    with pytest.raises(MissingEraser, match="No eraser is loaded for tiny: give one trained for kveraser"):
        edit(name, context, spans)
    assert same(states(context.cache), before)


@pytest.mark.parametrize(
    ("name", "lookahead"), [("kveraser", 9), ("kveraser_lookahead", None), ("kveraser_repair", None)]
)
def test_an_eraser_of_another_method_is_refused_by_name(name, lookahead, context, spans, save_adapter):
    load_eraser(context, save_adapter, lookahead=lookahead)
    trained = "kveraser_lookahead" if lookahead else "kveraser"
    assert name not in usable(context.backbone)
    with pytest.raises(MissingEraser, match=f"was trained for {trained}: give one trained for kveraser"):
        edit(name, context, spans)
