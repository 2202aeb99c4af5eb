"""Every erase method against references that do not use the editable cache."""

import json

import pytest
import torch
from peft import PeftModel
from transformers import DynamicCache
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from kveraser_core.cache.view import SlotRange
from kveraser_core.documents.spans import Span
from kveraser_core.methods import METHODS, UnknownMethod, get_method, make_plan, ordered, usable
from kveraser_core.methods.apply import apply
from kveraser_core.methods.edits import Edit, erasures
from kveraser_core.methods.kveraser_repair import KVEraserRepair
from kveraser_core.methods.local_repair import LocalRepair
from kveraser_core.methods.staleness import stale_tokens
from kveraser_core.model.backbone import Backbone, MissingEraser
from kveraser_core.model.generation import Sampling, generate
from kveraser_core.sessions.context import read_context
from tests.conftest import TEXT, tiny_model

CLOSE = {"atol": 2e-5, "rtol": 1e-4}


@pytest.fixture
def context(backbone: Backbone):
    return read_context(backbone, backbone.tokenize(TEXT)[0])


def one(context):
    start = context.document_start + 20
    return [Span(start, start + 25)]


def several(context):
    start, end = context.document_start, len(context.ids)
    return [Span(start, start + 7), Span(start + 30, start + 41), Span(end - 5, end)]


@pytest.fixture(params=[one, several])
def spans(request, context):
    return request.param(context)


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
    kind = context.backbone.model.config.model_type
    folder = save_adapter(kind, zero=zero)
    if lookahead:
        (folder / "steering.json").write_text(json.dumps({"method": "kveraser_lookahead", "lookahead": lookahead}))
    context.backbone.load_eraser(folder)
    return PeftModel.from_pretrained(tiny_model(kind, "sdpa"), folder)


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


def test_none_is_the_context(context, spans):
    before = states(context.cache)
    edited = edit("none", context, spans)
    assert same(states(edited.cache), before)
    assert edited.cache.view is None
    assert edited.extra_bytes == 0


def test_full_recompute_is_a_fresh_prefill_of_what_is_left(context, spans):
    before = states(context.cache)
    edited = edit("full_recompute", context, spans)
    left = [context.ids[slot] for slot in kept_slots(context, spans)]
    close(states(edited.cache), read_by_transformers(plain_model(context), left))
    assert edited.cache.view is None
    assert edited.cache.next_position == len(left)
    edited.release()
    assert same(states(context.cache), before)


def test_mask_hides_the_slots_and_keeps_every_position(context, spans):
    before = states(context.cache)
    edited = edit("mask", context, spans)
    assert same(seen(edited.cache), select(before, kept_slots(context, spans)))
    assert edited.cache.next_position == len(context.ids)
    assert edited.extra_bytes == 0


def test_delete_shift_keys_are_the_projections_rotated_to_closed_positions(context, spans):
    model, plain = plain_model(context), []
    attention = model.model.layers[1].self_attn
    projection = attention.k_norm if hasattr(attention, "k_norm") else attention.k_proj
    hook = projection.register_forward_hook(lambda *args: plain.append(args[2]))
    read = read_by_transformers(model, context.ids)
    hook.remove()
    kept = kept_slots(context, spans)
    unrotated = plain[0].view(1, len(context.ids), 2, 16).transpose(1, 2)[:, :, kept]
    positions = torch.arange(len(kept))[None]
    expected = apply_rotary_pos_emb(unrotated, unrotated, *model.model.rotary_emb(unrotated, positions))[1]
    edited = edit("delete_shift", context, spans)
    keys, values = seen(edited.cache)[1]
    torch.testing.assert_close(keys, expected, **CLOSE)
    torch.testing.assert_close(values, read[1][1][:, :, kept], **CLOSE)
    assert edited.cache.next_position == len(kept)
    assert edited.extra_bytes == 0


def test_local_repair_recomputes_the_first_suffix_tokens_and_moves_the_rest(context):
    (span,) = one(context)
    k = 6
    before = states(context.cache)
    edited = edit(LocalRepair(k), context, [span])
    repaired = seen(edited.cache)
    left = context.ids[: span.start] + context.ids[span.end : span.end + k]
    close(select(repaired, range(len(left))), read_by_transformers(plain_model(context), left))
    edited.release()
    assert same(states(context.cache), before)
    shifted = seen(edit("delete_shift", context, [span]).cache)
    rest = range(len(left), len(context.ids) - len(span))
    assert same(select(repaired, rest), select(shifted, rest))


@pytest.mark.parametrize("chunk", [512, 8])
def test_local_repair_recomputes_after_every_span(context, save_adapter, monkeypatch, chunk):
    monkeypatch.setattr("kveraser_core.methods.apply.CHUNK", chunk)
    spans, k = several(context), 19
    repaired = seen(edit(LocalRepair(k), context, spans).cache)
    left = [context.ids[slot] for slot in kept_slots(context, spans)]
    exact = read_by_transformers(plain_model(context), left[: spans[1].start - 7])
    close(select(repaired, range(spans[0].start + k)), select(exact, range(spans[0].start + k)))


def test_local_repair_of_everything_is_full_recompute(context, spans):
    edited = edit(LocalRepair(len(context.ids)), context, spans)
    left = [context.ids[slot] for slot in kept_slots(context, spans)]
    close(states(edited.cache), read_by_transformers(plain_model(context), left))
    assert edited.method == "full_recompute"


def test_erratum_appends_a_correction_and_takes_it_back(context):
    before, length = states(context.cache), len(context.ids)
    (span,) = one(context)
    erased = edit("erratum", context, [span])
    added = erased.cache.length - length
    assert same(select(states(erased.cache), range(length)), before)
    passage = context.backbone.tokenizer.decode(context.ids[span.start : span.end])
    line = '\n\nCorrection: disregard the passage "' + " ".join(passage.split()) + '"'
    expected = read_by_transformers(plain_model(context), context.ids + context.backbone.tokenize(line)[0])
    close(states(erased.cache), expected)
    assert added == len(context.backbone.tokenize(line)[0])
    erased.release()
    assert same(states(context.cache), before)


def test_erratum_quotes_the_ends_of_a_long_passage(llama):
    context = read_context(llama, llama.tokenize("one " + "word " * 80 + "last")[0])
    span = Span(context.document_start, len(context.ids))
    with_all = len(llama.tokenize("word " * 80)[0])
    erased = edit("erratum", context, [span])
    assert erased.cache.length - len(context.ids) < with_all


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


def ahead(context, spans, lookahead):
    """For each span the slots that hold the tokens behind it, and these tokens' own."""
    ends = [*(span.start for span in spans[1:]), len(context.ids)]
    counts = [min(lookahead, len(span), end - span.end) for span, end in zip(spans, ends, strict=True)]
    return [
        (Span(span.start, span.start + count), Span(span.end, span.end + count))
        for span, count in zip(spans, counts, strict=True)
    ]


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
    reference = load_eraser(context, save_adapter)
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
    reference = load_eraser(context, save_adapter, lookahead=9)
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


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("kveraser_lookahead", 0),
        ("kveraser_lookahead", 9),
        ("kveraser_repair", 0),
        ("kveraser_repair:32", 41),
        ("local_repair", 32),
        ("delete_shift", 0),
    ],
)
def test_where_the_whole_suffix_would_be_recomputed_full_recompute_runs(name, suffix, context, save_adapter):
    load_eraser(context, save_adapter, lookahead=9)
    before = states(context.cache)
    end = len(context.ids) - suffix
    span = Span(end - 12, end)
    edited = edit(name, context, [span])
    assert edited.method == "full_recompute"
    left = [context.ids[slot] for slot in kept_slots(context, [span])]
    close(states(edited.cache), read_by_transformers(plain_model(context), left))
    assert edited.cache.next_position == edited.cache.length == len(context.ids) - 12
    assert edited.cache.view is None
    assert edited.extra_bytes == (12 + suffix) * context.cache.token_bytes
    edited.release()
    assert same(states(context.cache), before)
    assert context.cache.next_position == len(context.ids)


@pytest.mark.parametrize(("name", "suffix"), [("kveraser_lookahead", 10), ("kveraser", 0), ("mask", 0), ("none", 0)])
def test_a_method_that_recomputes_less_or_moves_nothing_is_itself(name, suffix, context, save_adapter):
    load_eraser(context, save_adapter, lookahead=None if name == "kveraser" else 9)
    end = len(context.ids) - suffix
    edited = edit(name, context, [Span(end - 12, end)])
    assert edited.method == name
    assert edited.cache.length == len(context.ids)


def test_between_several_spans_the_whole_suffix_may_be_recomputed(context, save_adapter):
    load_eraser(context, save_adapter, lookahead=9)
    spans, before = several(context), states(context.cache)
    edited = edit("kveraser_repair:600", context, spans)
    left = [context.ids[slot] for slot in kept_slots(context, spans)]
    close(states(edited.cache), read_by_transformers(plain_model(context), left))
    edited.release()
    assert same(states(context.cache), before)


def test_the_lookahead_writes_the_first_suffix_tokens_over_the_spans_slots(context, spans, save_adapter):
    reference = load_eraser(context, save_adapter, lookahead=9)
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


def eraser_of(name):
    """The lookahead of the eraser that a method needs."""
    return None if get_method(name).eraser == "kveraser" else 9


@pytest.mark.parametrize("name", [*METHODS, "kveraser_repair:6", "local_repair:6"])
def test_a_question_after_an_edited_cache_attends_to_what_its_view_shows(name, context, spans, save_adapter):
    load_eraser(context, save_adapter, lookahead=eraser_of(name))
    edited = edit(name, context, spans)
    question = context.prompt.question_ids("What is the toll?")
    held, position = states(edited.cache), edited.cache.next_position
    past = seen(edited.cache)
    with edited.cache.appending():
        hidden = context.backbone.encode(question, edited.cache)
    cache = DynamicCache()
    for index, (keys, values) in enumerate(past):
        cache.update(keys, values, index)
    positions = torch.arange(position, position + len(question))[None]
    with torch.no_grad():
        out = plain_model(context)(torch.tensor([question]), past_key_values=cache, position_ids=positions)
    torch.testing.assert_close(context.backbone.logits(hidden), out.logits[0], atol=1e-4, rtol=1e-4)
    assert same(states(edited.cache), held)


@pytest.mark.parametrize("name", METHODS)
def test_the_span_shows_in_no_view_of_a_method_that_hides_it(name, context, spans, save_adapter):
    """States of the span that are nan change nothing; those that are overwritten are not nan any more."""
    if name in ("none", "erratum"):
        pytest.skip("these leave the span in place")
    load_eraser(context, save_adapter, lookahead=eraser_of(name))
    question = context.prompt.question_ids("What is the toll?")
    for span in spans:
        for layer in context.cache.editable:
            layer.key_buffer[:, :, span.start : span.end] = torch.nan
            layer.value_buffer[:, :, span.start : span.end] = torch.nan
    edited = edit(name, context, spans)
    with edited.cache.appending():
        assert context.backbone.encode(question, edited.cache).isfinite().all()


@pytest.mark.parametrize("name", [*METHODS, "local_repair:6"])
def test_a_failing_pass_leaves_the_context_as_it_was(name, context, spans, save_adapter, monkeypatch):
    load_eraser(context, save_adapter, lookahead=eraser_of(name))
    before, forward, passes = states(context.cache), context.backbone.forward, []

    def failing(*arguments):
        passes.append(1)
        forward(*arguments)
        raise RuntimeError("the device went")

    monkeypatch.setattr(context.backbone, "forward", failing)
    if make_plan(get_method(name), context.ids, erasures(spans), context.backbone).steps:
        with pytest.raises(RuntimeError, match="the device went"):
            edit(name, context, spans)
        assert passes
    assert same(states(context.cache), before)
    assert context.cache.next_position == context.cache.length == len(context.ids)
    assert context.cache.view is None


@pytest.mark.parametrize("name", [*METHODS, "local_repair:6"])
def test_a_plans_cost_is_what_it_runs(name, context, spans, save_adapter, monkeypatch):
    """Tokens a step, those with the eraser on, and how many slots the first of each run attends to."""
    load_eraser(context, save_adapter, lookahead=eraser_of(name))
    plan = make_plan(get_method(name), context.ids, erasures(spans), context.backbone)
    costs = plan.costs(len(context.ids))
    ran, forward = [], context.backbone.forward
    monkeypatch.setattr(context.backbone, "forward", lambda batch, *more: ran.append(batch) or forward(batch, *more))
    apply(plan, context.cache, context.backbone)
    assert [sum(new for new, _ in cost.runs) for cost in costs] == [sum(len(s.ids) for s in step) for step in ran]
    assert [cost.eraser_tokens for cost in costs] == [sum(len(s.ids) for s in step if s.eraser) for step in ran]
    if name == "full_recompute":
        assert costs[0].runs == ((len(kept_slots(context, spans)) - spans[0].start, spans[0].start),)
    if name == "local_repair:6":
        assert costs[0].runs == ((6, spans[0].start),)
    if name == "kveraser":
        assert [cost.runs for cost in costs] == [((len(span), span.start),) for span in spans]
    if name == "kveraser_lookahead":
        assert costs[0].runs == ((min(9, len(spans[0])), spans[0].start),)


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


@pytest.mark.parametrize(
    "name", ["forget", "mask:4", "local_repair:", "local_repair:0", "kveraser_repair:-3", ":4", "none:x"]
)
def test_an_unknown_method_is_named(name):
    with pytest.raises(UnknownMethod, match=rf"'{name}'.*full_recompute.*local_repair:K"):
        get_method(name)


def test_a_name_says_how_many_tokens_are_recomputed(context, save_adapter):
    load_eraser(context, save_adapter, zero=True, lookahead=9)
    (span,) = one(context)
    for name, wanted in (("local_repair:6", 6), ("kveraser_repair:6", 6)):
        before = states(context.cache)
        edited = edit(name, context, [span])
        after = states(edited.cache)
        edited.release()
        suffix = range(span.end, len(context.ids))
        assert sum(not same(select(before, [slot]), select(after, [slot])) for slot in suffix) == wanted


def test_methods_are_listed_once_in_the_registrys_order_and_fewer_tokens_first():
    names = [
        "kveraser_repair:96",
        "full_recompute",
        "local_repair:128",
        "none",
        "local_repair",
        "local_repair:64",
        "none",
    ]
    expected = ["none", "local_repair", "local_repair:64", "local_repair:128", "kveraser_repair:96", "full_recompute"]
    assert ordered(names) == expected
    with pytest.raises(UnknownMethod, match="'forget'"):
        ordered(["none", "forget"])


@pytest.mark.parametrize("name", METHODS)
def test_transformers_own_generate_reads_an_edited_cache_right(name, context, spans, save_adapter):
    load_eraser(context, save_adapter, lookahead=eraser_of(name))
    edited = edit(name, context, spans)
    question = context.prompt.question_ids("What is the toll?")
    *_, expected = generate(context.backbone, edited.cache, question, Sampling(max_tokens=8))
    ids = torch.tensor([[0] * edited.cache.next_position + question])
    with edited.cache.appending():
        out = context.backbone.model.generate(
            ids, past_key_values=edited.cache, max_new_tokens=8, do_sample=False, attention_mask=torch.ones_like(ids)
        )
    assert out[0, ids.shape[1] :].tolist() == expected.token_ids
