"""Replacing a passage: every erase method against references that do not use the editable cache."""

import pytest
import torch
from transformers import DynamicCache

from kveraser_core.cache.view import AttentionView, SlotRange
from kveraser_core.documents.spans import Span
from kveraser_core.engines.attention import view_attention
from kveraser_core.engines.batch import Segment
from kveraser_core.methods import METHODS, REFERENCE, CannotReplace, get_method, make_plan
from kveraser_core.methods.apply import apply
from kveraser_core.methods.edits import Edit
from kveraser_core.methods.kveraser_repair import KVEraserRepair
from kveraser_core.methods.local_repair import LocalRepair
from kveraser_core.methods.staleness import stale_tokens
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.context import read_context
from tests.methods.states import (
    load_eraser,
    load_eraser_for,
    pairs,
    peft_model,
    plain_model,
    read_by_transformers,
    same,
    seen,
    select,
    states,
)
from tests.poison import ENGINES, model_for
from tests.tiny import TEXT

NAMES = [name for name in METHODS if name not in ("kveraser", "mask")]
REPLACING = [name for name in NAMES if name not in ("none", "erratum")]


def close(left, right):
    for a, b in pairs(left, right):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.fixture
def context(backbone):
    return read_context(backbone, backbone.tokenize(TEXT)[0])


def ids_of(context, text):
    return tuple(context.backbone.tokenize(text)[0])


def longer(context):
    start = context.document_start + 20
    return [Edit(Span(start, start + 9), ids_of(context, " Pilots wait at the second pier until the tide turns."))]


def shorter(context):
    start = context.document_start + 20
    return [Edit(Span(start, start + 25), ids_of(context, " Ships wait."))]


def mixed(context):
    """Longer, erased, shorter, and longer at the very end, where nothing follows."""
    start, end = context.document_start, len(context.ids)
    return [
        Edit(Span(start, start + 3), ids_of(context, "The office of the harbour master")),
        Edit(Span(start + 12, start + 20)),
        Edit(Span(start + 30, start + 40), ids_of(context, " copper")),
        Edit(Span(end - 3, end), ids_of(context, " never in the summer months.")),
    ]


@pytest.fixture(params=[longer, shorter, mixed])
def edits(request, context):
    return request.param(context)


def made(context, edits):
    """The tokens with the edits made, and for each the slot of the context that it was in, or none."""
    ids, slots, at = [], [], 0
    for edit in [*edits, Edit(Span(len(context.ids), len(context.ids)))]:
        kept = range(at, edit.span.start)
        ids += [context.ids[slot] for slot in kept] + list(edit.ids)
        slots += [*kept, *[None] * len(edit.ids)]
        at = edit.span.end
    return ids, slots


def edit(method, context, edits, defer=False):
    named = get_method(method) if isinstance(method, str) else method
    return apply(make_plan(named, context.ids, edits, context.backbone), context.cache, context.backbone, defer)


def asked(context, cache, step=()):
    question = context.prompt.question_ids("What is the toll?")
    with cache.appending():
        hidden = context.backbone.forward([*step, Segment(question)], cache, len(question))
    return context.backbone.logits(hidden)


def asked_of(model, context, past, position):
    """The same of transformers' own cache."""
    question, cache = context.prompt.question_ids("What is the toll?"), DynamicCache()
    for index, (keys, values) in enumerate(past):
        cache.update(keys, values, index)
    positions = torch.arange(position, position + len(question))[None]
    with torch.no_grad():
        return model(torch.tensor([question]), past_key_values=cache, position_ids=positions).logits[0]


def test_full_recompute_is_a_fresh_prefill_of_the_edited_text(context, edits):
    before, (ids, _) = states(context.cache), made(context, edits)
    edited = edit(REFERENCE, context, edits)
    close(states(edited.cache), read_by_transformers(plain_model(context), ids))
    assert edited.cache.view is None
    assert edited.cache.next_position == len(ids)
    edited.release()
    assert same(states(context.cache), before)


def test_delete_shift_encodes_the_new_text_after_its_prefix_and_moves_the_suffix(context, edits):
    """The first edit's new tokens are what a prefill makes of them; all others are where they would be."""
    before, (ids, slots) = states(context.cache), made(context, edits)
    edited = edit("delete_shift", context, edits)
    shown, first = seen(edited.cache), edits[0]
    upto = first.span.start + len(first.ids)
    close(select(shown, range(upto)), read_by_transformers(plain_model(context), ids[:upto]))
    assert shown[0][0].shape[2] == len(ids) == edited.cache.next_position
    rotation = context.cache.rotation
    for position, slot in enumerate(slots):
        if slot is not None:
            for number, (keys, values) in enumerate(before):
                moved = rotation.shift(keys[:, :, [slot]], number, position - slot)
                torch.testing.assert_close(shown[number][0][:, :, [position]], moved, atol=2e-5, rtol=1e-4)
                assert torch.equal(shown[number][1][:, :, [position]], values[:, :, [slot]])
    edited.release()
    assert same(states(context.cache), before)


@pytest.mark.parametrize("chunk", [512, 7])
def test_local_repair_recomputes_the_first_suffix_tokens_after_the_new_text(context, monkeypatch, chunk):
    monkeypatch.setattr("kveraser_core.methods.apply.CHUNK", chunk)
    for edits in (longer(context), shorter(context)):
        ids, _ = made(context, edits)
        edited = edit(LocalRepair(6), context, edits)
        upto = edits[0].span.start + len(edits[0].ids) + 6
        close(select(seen(edited.cache), range(upto)), read_by_transformers(plain_model(context), ids[:upto]))
        edited.release()


def test_looking_ahead_with_a_zero_adapter_is_local_repair(context, edits, save_adapter):
    load_eraser(context, save_adapter, zero=True, lookahead=3)
    edited = edit("kveraser_lookahead", context, edits)
    looked = seen(edited.cache)
    edited.release()
    close(looked, seen(edit(LocalRepair(3), context, edits).cache))


def test_repair_recomputes_what_took_most_from_the_old_or_the_new_text(context, save_adapter):
    """Each as if it had been encoded alone, after what the text has before it."""
    reference = peft_model(context, load_eraser(context, save_adapter, lookahead=4))
    (only,) = edits = longer(context)
    ids, slots = made(context, edits)
    edited = edit("kveraser_lookahead", context, edits)
    expected = seen(edited.cache)
    edited.release()
    taken = [Span(only.span.start, only.span.end + 4)]
    stale = stale_tokens(context.backbone, context.ids, only, taken, 6)
    places = sorted(slots.index(slot) for slot in stale)
    for place in places:
        past = select(expected, range(place))
        read = read_by_transformers(reference, [ids[place]], past, torch.tensor([[place]]))
        for (keys, values), (new_keys, new_values) in zip(expected, read, strict=True):
            keys[:, :, place], values[:, :, place] = new_keys[:, :, -1], new_values[:, :, -1]
    edited = edit(KVEraserRepair(k=6), context, edits)
    close(seen(edited.cache), expected)


def test_tokens_that_repeat_the_new_text_are_stale(context):
    """The suffix says again what only the new text says."""
    again = context.ids[-12:]
    start = context.document_start + 5
    old, new = Edit(Span(start, start + 4)), Edit(Span(start, start + 4), tuple(again))
    chosen = [stale_tokens(context.backbone, context.ids, one, [], 30) for one in (old, new)]
    last = set(range(len(context.ids) - 8, len(context.ids)))
    assert last <= set(chosen[1])
    assert not last <= set(chosen[0])


@pytest.mark.parametrize("name", [*NAMES, "kveraser_repair:6", "local_repair:6"])
def test_a_question_attends_to_what_the_view_shows_and_all_is_taken_back(name, context, edits, save_adapter):
    load_eraser_for(name, context, save_adapter)
    before = states(context.cache)
    edited = edit(name, context, edits)
    expected = asked_of(plain_model(context), context, seen(edited.cache), edited.cache.next_position)
    torch.testing.assert_close(asked(context, edited.cache), expected, atol=1e-4, rtol=1e-4)
    edited.release()
    assert same(states(context.cache), before)
    assert context.cache.next_position == context.cache.length == len(context.ids)
    assert context.cache.view is None


@pytest.mark.parametrize("name", REPLACING)
def test_neither_the_old_text_nor_what_slots_held_before_is_read(name, context, edits, save_adapter):
    load_eraser_for(name, context, save_adapter)
    for layer in context.cache.editable:
        for buffer in layer.buffers():
            buffer[:, :, len(context.ids) :] = torch.nan
            for one in edits:
                buffer[:, :, one.span.start : one.span.end] = torch.nan
    edited = edit(name, context, edits, defer=True)
    assert asked(context, edited.cache, edited.pending).isfinite().all()


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_agree_on_slots_out_of_order(engine, tokenizer, save_adapter):
    """In one pass with the question, and before it, and one by one: as a fresh prefill where nothing is stale."""
    backbone = Backbone(model_for(engine), tokenizer, "tiny")
    context = read_context(backbone, backbone.tokenize(TEXT)[0])
    for edits in (longer(context), mixed(context)):
        rest = len(context.ids) - edits[0].span.end
        plan = make_plan(LocalRepair(rest - 1), context.ids, edits, backbone)  # all but one token: nearly exact
        fused = apply(plan, context.cache, backbone, defer=True)
        got = asked(context, fused.cache, fused.pending)
        fused.release()
        plain = apply(plan, context.cache, backbone)
        before = asked(context, plain.cache)
        exact = asked_of(plain_model_of(engine), context, seen(plain.cache), plain.cache.next_position)
        plain.release()
        scale = exact.abs().max()
        assert (got - before).abs().max() < 0.02 * scale
        assert (got - exact).abs().max() < (0.03 if engine == "cpu" else 1e-4) * scale


def plain_model_of(engine):
    model = model_for(engine)
    model.set_attn_implementation("sdpa")
    return model


def test_gradients_see_slots_out_of_order_as_inference_does(llama):
    """Five slots at the end hold text of the middle; queries after them, and before them."""
    torch.manual_seed(3)
    keys, values, query = torch.randn(1, 2, 40, 16), torch.randn(1, 2, 40, 16), torch.randn(1, 4, 5, 16)
    first, new, rotation = SlotRange(0, 10, 4), SlotRange(30, 35, -20), llama.new_cache(1).rotation
    for ranges, own in (
        ((first, new, SlotRange(10, 30, 7), SlotRange(35, None, 1)), None),
        ((first, new, SlotRange(10)), torch.tensor([12, 13, 20, 28, 29])),
    ):
        view = AttentionView(rotation, ranges, own)
        with torch.no_grad():
            expected = view_attention(query, keys, values, 0.25, view, 1)
        found = view_attention(query.clone().requires_grad_(), keys, values, 0.25, view, 1)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_mask_takes_new_text_that_is_no_longer_and_leaves_the_gap(context):
    (only,) = shorter(context)
    before = states(context.cache)
    edited = edit("mask", context, [only])
    shown, end = seen(edited.cache), only.span.start + len(only.ids)
    close(select(shown, range(end)), read_by_transformers(plain_model(context), made(context, [only])[0][:end]))
    rest = range(only.span.end, len(context.ids))
    assert same(select(shown, range(end, end + len(rest))), select(before, rest))
    assert edited.cache.next_position == len(context.ids)
    edited.release()
    with pytest.raises(CannotReplace, match="mask leaves the suffix where it is"):
        edit("mask", context, longer(context))
    assert same(states(context.cache), before)


def test_the_published_method_only_erases(context, save_adapter):
    load_eraser(context, save_adapter)
    with pytest.raises(CannotReplace, match="kveraser only erases: name local_repair"):
        edit("kveraser", context, shorter(context))


def test_none_with_new_text_of_the_same_length_is_not_taken_for_exact(context):
    end = len(context.ids)
    same_length = [Edit(Span(end - 4, end), (5, 6, 7, 8))]
    edited = edit("none", context, same_length)
    assert (edited.method, edited.closed) == ("none", False)
    assert edit("delete_shift", context, same_length).method == REFERENCE


def test_edits_that_touch_are_made_as_one(context, save_adapter):
    load_eraser(context, save_adapter, lookahead=9)
    start, new = context.document_start + 20, ids_of(context, " Ships wait.")
    apart = [Edit(Span(start, start + 5)), Edit(Span(start + 5, start + 9), new)]
    plans = [make_plan(get_method("kveraser_repair"), context.ids, edits, context.backbone)
             for edits in (apart, [Edit(Span(start, start + 9), new)])]  # fmt: skip
    assert plans[0] == plans[1]


def test_the_cost_does_not_grow_with_the_suffix(llama, save_adapter):
    costs = []
    for copies in (2, 5):
        context = read_context(llama, llama.tokenize(TEXT * copies)[0])
        load_eraser(context, save_adapter, lookahead=9)
        plan = make_plan(get_method("kveraser_repair"), context.ids, longer(context), llama)
        costs.append(sum(len(segment.ids) for step in plan.steps for segment in step))
    assert costs[0] == costs[1]
