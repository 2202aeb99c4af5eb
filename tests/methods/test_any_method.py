"""What holds for every method."""

import pytest
import torch
from transformers import DynamicCache

from kveraser_core.documents.spans import Span
from kveraser_core.methods import METHODS, UnknownMethod, get_method, make_plan, ordered
from kveraser_core.methods.apply import apply
from kveraser_core.methods.edits import erasures
from kveraser_core.model.generation import Sampling, generate
from tests.methods.states import (
    close,
    edit,
    kept_slots,
    load_eraser,
    load_eraser_for,
    one,
    plain_model,
    read_by_transformers,
    same,
    seen,
    select,
    several,
    states,
)


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
    load_eraser_for(name, context, save_adapter)
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
    load_eraser_for(name, context, save_adapter)
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


@pytest.mark.parametrize("name", [*METHODS, "kveraser_repair:6", "local_repair:6"])
def test_a_question_after_an_edited_cache_attends_to_what_its_view_shows(name, context, spans, save_adapter):
    load_eraser_for(name, context, save_adapter)
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
    load_eraser_for(name, context, save_adapter)
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
    load_eraser_for(name, context, save_adapter)
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
    load_eraser_for(name, context, save_adapter)
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
    load_eraser_for(name, context, save_adapter)
    edited = edit(name, context, spans)
    question = context.prompt.question_ids("What is the toll?")
    *_, expected = generate(context.backbone, edited.cache, question, Sampling(max_tokens=8))
    ids = torch.tensor([[0] * edited.cache.next_position + question])
    with edited.cache.appending():
        out = context.backbone.model.generate(
            ids, past_key_values=edited.cache, max_new_tokens=8, do_sample=False, attention_mask=torch.ones_like(ids)
        )
    assert out[0, ids.shape[1] :].tolist() == expected.token_ids
