"""Every erase method against references that do not use the editable cache."""

import json

import pytest
import torch
from peft import PeftModel
from transformers import DynamicCache
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from kveraser_core.documents.spans import Span
from kveraser_core.methods import METHODS, UnknownMethod, get_method, ordered
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
        (folder / "steering.json").write_text(json.dumps({"lookahead": lookahead}))
    context.backbone.load_eraser(folder)
    return PeftModel.from_pretrained(tiny_model(kind, "sdpa"), folder)


def test_none_is_the_context(context, spans):
    before = states(context.cache)
    erased = get_method("none").erase(context, spans)
    assert same(states(erased.cache), before)
    assert erased.extra_bytes == 0


def test_full_recompute_is_a_fresh_prefill_of_what_is_left(context, spans):
    erased = get_method("full_recompute").erase(context, spans)
    left = [context.ids[slot] for slot in kept_slots(context, spans)]
    close(states(erased.cache), read_by_transformers(plain_model(context), left))
    assert erased.cache.next_position == len(left)


def test_mask_drops_the_slots_and_keeps_every_position(context, spans):
    before = states(context.cache)
    erased = get_method("mask").erase(context, spans)
    assert same(states(erased.cache), select(before, kept_slots(context, spans)))
    assert erased.cache.next_position == len(context.ids)


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
    erased = get_method("delete_shift").erase(context, spans)
    keys, values = erased.cache.editable[1].filled()
    torch.testing.assert_close(keys, expected, **CLOSE)
    torch.testing.assert_close(values, read[1][1][:, :, kept], **CLOSE)
    assert erased.cache.next_position == erased.cache.length == len(kept)


def test_local_repair_recomputes_the_first_suffix_tokens_and_moves_the_rest(context):
    (span,) = one(context)
    k = 6
    erased = states(LocalRepair(k).erase(context, [span]).cache)
    left = context.ids[: span.start] + context.ids[span.end : span.end + k]
    close(select(erased, range(len(left))), read_by_transformers(plain_model(context), left))
    shifted = states(get_method("delete_shift").erase(context, [span]).cache)
    rest = range(len(left), len(context.ids) - len(span))
    assert same(select(erased, rest), select(shifted, rest))


def test_local_repair_of_everything_is_full_recompute(context, spans):
    close(
        states(LocalRepair(len(context.ids)).erase(context, spans).cache),
        states(get_method("full_recompute").erase(context, spans).cache),
    )


def test_erratum_appends_a_correction_and_takes_it_back(context):
    before, length = states(context.cache), len(context.ids)
    (span,) = one(context)
    erased = get_method("erratum").erase(context, [span])
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
    erased = get_method("erratum").erase(context, [span])
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
    erased = get_method("kveraser").erase(context, one(context))
    close(states(erased.cache), before)


@pytest.mark.parametrize("chunk", [512, 8])
def test_kveraser_writes_what_peft_computes_and_touches_nothing_else(
    context, spans, save_adapter, monkeypatch, chunk
):
    monkeypatch.setattr("kveraser_core.methods.kveraser.CHUNK", chunk)
    reference = load_eraser(context, save_adapter)
    before = states(context.cache)
    erased = get_method("kveraser").erase(context, spans)
    after = states(erased.cache)
    untouched = kept_slots(context, spans)
    assert same(select(after, untouched), select(before, untouched))
    for span in spans:
        expected = read_again(context, reference, before, spans, span, context.ids[span.start : span.end])
        close(select(after, range(span.start, span.end)), expected)
    assert not same(after, before)
    assert erased.cache.length == len(context.ids)
    assert erased.cache.next_position == len(untouched)
    erased.release()
    assert context.cache.next_position == len(context.ids)
    assert same(states(context.cache), before)
    assert context.cache.layout is None


@pytest.mark.parametrize("lookahead", [None, 9])
def test_kveraser_repair_writes_what_kveraser_does_and_recomputes_scattered_tokens(context, save_adapter, lookahead):
    """Each as if it had been read alone, behind what the cache holds before it, but for the gap."""
    reference = load_eraser(context, save_adapter, lookahead=lookahead)
    before = states(context.cache)
    (span,) = one(context)
    erased = get_method("kveraser").erase(context, [span])
    expected = states(erased.cache)
    erased.release()
    gap = Span(span.start + 9, span.end + 9) if lookahead else span
    chosen = stale_tokens(context.backbone, context.ids, span, [gap], 6)
    stale = [slot for part in chosen for slot in range(part.start, part.end)]
    assert len(stale) == 6
    reader = reference if lookahead else plain_model(context)
    for slot in stale:
        past = moved_together(context, expected, [gap], [kept for kept in kept_slots(context, [gap]) if kept < slot])
        read = read_by_transformers(reader, [context.ids[slot]], past, torch.tensor([[slot]]))
        for (keys, values), (new_keys, new_values) in zip(expected, read, strict=True):
            keys[:, :, slot], values[:, :, slot] = new_keys[:, :, -1], new_values[:, :, -1]
    erased = KVEraserRepair(k=6).erase(context, [span])
    after = states(erased.cache)
    close(select(after, stale), select(expected, stale))
    others = [slot for slot in range(len(context.ids)) if slot not in stale]
    assert same(select(after, others), select(expected, others))
    erased.release()
    assert same(states(context.cache), before)


def test_kveraser_repair_of_everything_leaves_full_recomputes_suffix(context, spans, save_adapter):
    load_eraser(context, save_adapter, zero=True)
    exact = states(get_method("full_recompute").erase(context, spans).cache)
    erased = KVEraserRepair(k=len(context.ids)).erase(context, spans)
    seen = moved_together(context, states(erased.cache), spans, kept_slots(context, spans))
    gap = sum(map(len, spans))
    rotation = context.cache.rotation
    close(seen, [(rotation.shift(keys, number, gap), values) for number, (keys, values) in enumerate(exact)])


@pytest.mark.parametrize(
    ("name", "behind"), [("kveraser", 0), ("kveraser", 9), ("kveraser_repair", 0), ("kveraser_repair", 41)]
)
def test_where_all_that_is_behind_is_read_the_erase_is_full_recompute(name, behind, context, save_adapter):
    load_eraser(context, save_adapter, lookahead=9)
    before = states(context.cache)
    end = len(context.ids) - behind
    span = Span(end - 12, end)
    exact = states(get_method("full_recompute").erase(context, [span]).cache)
    erased = get_method(name).erase(context, [span])
    close(states(erased.cache), exact)
    assert erased.cache.next_position == erased.cache.length == len(context.ids) - 12
    assert erased.cache.layout is None
    assert erased.extra_bytes == (12 + behind) * context.cache.used_bytes // erased.cache.length
    erased.release()
    assert same(states(context.cache), before)
    assert context.cache.next_position == len(context.ids)


def test_one_token_more_behind_and_the_erase_is_not_full_recompute(context, save_adapter):
    load_eraser(context, save_adapter, lookahead=9)
    end = len(context.ids) - 10
    assert get_method("kveraser").erase(context, [Span(end - 12, end)]).cache.length == len(context.ids)


def test_between_several_spans_all_may_be_read(context, save_adapter):
    load_eraser(context, save_adapter, lookahead=9)
    spans, before = several(context), states(context.cache)
    exact = states(get_method("full_recompute").erase(context, spans).cache)
    erased = get_method("kveraser_repair:600").erase(context, spans)
    close(states(erased.cache), exact)
    erased.release()
    assert same(states(context.cache), before)


def test_an_eraser_with_lookahead_writes_the_tokens_behind_a_span_over_its_slots(context, spans, save_adapter):
    reference = load_eraser(context, save_adapter, lookahead=9)
    before = states(context.cache)
    erased = get_method("kveraser").erase(context, spans)
    after = states(erased.cache)
    looked = ahead(context, spans, 9)
    unseen = [Span(slots.end, tokens.end) for slots, tokens in looked]
    for slots, tokens in looked:
        if slots:
            ids = context.ids[tokens.start : tokens.end]
            expected = read_again(context, reference, after, unseen, slots, ids)
            close(select(after, range(slots.start, slots.end)), expected)
    untouched = kept_slots(context, [slots for slots, _ in looked])
    assert same(select(after, untouched), select(before, untouched))
    assert erased.extra_bytes == sum(len(slots) for slots, _ in looked) * context.cache.used_bytes // len(context.ids)
    erased.release()
    assert same(states(context.cache), before)


def test_looking_ahead_with_a_zero_adapter_answers_as_local_repair_does(context, save_adapter):
    load_eraser(context, save_adapter, zero=True, lookahead=9)
    question = context.prompt.question_ids("What is the toll?")

    def asked(method):
        erased = method.erase(context, one(context))
        with erased.cache.appending():
            hidden = context.backbone.encode(question, erased.cache)
        erased.release()
        return hidden

    torch.testing.assert_close(asked(get_method("kveraser")), asked(LocalRepair(9)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("lookahead", [None, 9])
@pytest.mark.parametrize("name", [*METHODS, "kveraser_repair:6"])
def test_a_question_behind_an_erased_cache_sees_what_it_holds(name, lookahead, context, spans, save_adapter):
    load_eraser(context, save_adapter, lookahead=lookahead)
    erased = get_method(name).erase(context, spans)
    question = context.prompt.question_ids("What is the toll?")
    held, position = states(erased.cache), erased.cache.next_position
    back = sum(map(len, spans))
    past = held
    if name.startswith("kveraser") and len(held[0][0][0, 0]) == len(context.ids):  # else it is full recompute
        gaps = spans
        if lookahead:
            gaps = [Span(slots.end, tokens.end) for slots, tokens in ahead(context, spans, lookahead)]
        past = moved_together(context, held, gaps, kept_slots(context, gaps if lookahead else []), back)
    with erased.cache.appending():
        hidden = context.backbone.encode(question, erased.cache)
    cache = DynamicCache()
    for index, (keys, values) in enumerate(past):
        cache.update(keys, values, index)
    positions = torch.arange(position, position + len(question))[None]
    with torch.no_grad():
        out = plain_model(context)(torch.tensor([question]), past_key_values=cache, position_ids=positions)
    torch.testing.assert_close(context.backbone.logits(hidden), out.logits[0], atol=1e-4, rtol=1e-4)
    assert same(states(erased.cache), held)


@pytest.mark.parametrize("name", ["kveraser", "kveraser_repair"])
def test_without_an_eraser_the_method_says_so(name, context, spans):
    before = states(context.cache)
    with pytest.raises(MissingEraser, match="No eraser is loaded for tiny"):
        get_method(name).erase(context, spans)
    assert same(states(context.cache), before)


@pytest.mark.parametrize(
    "name", ["forget", "mask:4", "local_repair:", "local_repair:0", "kveraser_repair:-3", ":4", "none:x"]
)
def test_an_unknown_method_is_named(name):
    with pytest.raises(UnknownMethod, match=rf"'{name}'.*full_recompute.*local_repair:K"):
        get_method(name)


def test_a_name_says_how_many_tokens_are_read_again(context, save_adapter):
    load_eraser(context, save_adapter, zero=True, lookahead=9)
    (span,) = one(context)
    exact = states(get_method("full_recompute").erase(context, [span]).cache)
    stale = states(get_method("delete_shift").erase(context, [span]).cache)
    repaired = states(get_method("local_repair:6").erase(context, [span]).cache)
    seam = span.start + 6
    close(select(repaired, range(seam)), select(exact, range(seam)))
    assert same(
        select(repaired, range(seam, len(context.ids) - len(span))),
        select(stale, range(seam, len(context.ids) - len(span))),
    )

    before = states(context.cache)
    erased = get_method("kveraser_repair:6").erase(context, [span])
    after = states(erased.cache)
    written = [
        slot for slot in range(span.end, len(context.ids)) if not same(select(before, [slot]), select(after, [slot]))
    ]
    erased.release()
    assert len(written) == 6


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
    load_eraser(context, save_adapter)
    erased = get_method(name).erase(context, spans)
    question = context.prompt.question_ids("What is the toll?")
    *_, expected = generate(context.backbone, erased.cache, question, Sampling(max_tokens=8))
    ids = torch.tensor([[0] * erased.cache.next_position + question])
    with erased.cache.appending():
        out = context.backbone.model.generate(
            ids, past_key_values=erased.cache, max_new_tokens=8, do_sample=False, attention_mask=torch.ones_like(ids)
        )
    assert out[0, ids.shape[1] :].tolist() == expected.token_ids
