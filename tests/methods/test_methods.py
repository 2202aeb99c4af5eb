"""Every erase method against references that do not use the editable cache."""

import pytest
import torch
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from kveraser_core.documents.spans import Span
from kveraser_core.methods.local_repair import LocalRepair
from kveraser_core.sessions.context import read_context
from tests.methods.states import (
    CLOSE,
    close,
    edit,
    kept_slots,
    one,
    plain_model,
    read_by_transformers,
    same,
    seen,
    select,
    several,
    states,
)


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
