"""What is erased cannot be read: not through the session's cache, another attention, a copy or another thread."""

import copy

import pytest
import torch

from kveraser_core.cache.layer import CacheClosed
from kveraser_core.cache.view import UnreadableKeys
from kveraser_core.documents import Document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.spans import Span
from kveraser_core.methods import UnknownMethod
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.active_edit import NoCache
from kveraser_core.sessions.context import read_context
from kveraser_core.sessions.history import HISTORY
from kveraser_core.sessions.session import DocumentSession
from tests.doors_cache.sessions import (
    OLD,
    QUESTION,
    SHORT,
    TEXT,
    TRIED,
    ahead,
    generated,
    same,
    session_answer,
    states,
)
from tests.poison import ENGINES, hidden_slots, model_for, poisoned
from tests.test_row_pass import SIZES
from tests.tiny import tiny_model

STATES = {
    "erased by another method": lambda session: session.erase(find_text(TEXT, OLD), "delete_shift"),
    "marked": lambda session: session.mark(find_text(TEXT, OLD)),
    "asked with another method": lambda session: [
        session.mark(find_text(TEXT, OLD)),
        session.ask(QUESTION, "none", sampling=SHORT),
    ],
    "compared": lambda session: [
        session.mark(find_text(TEXT, OLD)),
        list(session.compare(QUESTION, ["mask", "none"], sampling=SHORT)),
    ],
    "undone": lambda session: [
        session.erase(find_text(TEXT, OLD)),
        session.erase(find_text(TEXT, "The lamp on the pier")),
        session.undo(),
    ],
    "an unknown method": lambda session: [session.mark(find_text(TEXT, OLD)), ask_unknown(session)],
    "a stream that was left": lambda session: [
        session.mark(find_text(TEXT, OLD)),
        next(session.stream(QUESTION, "erratum", sampling=SHORT)),
    ],
    "restored and erased again": lambda session: [
        session.erase(find_text(TEXT, OLD), "mask"),
        session.restore_all(),
        session.undo(),
    ],
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", TRIED)
def test_nothing_of_an_erased_slot_reaches_an_answer(tokenizer, save_adapter, method, engine):
    backbone = Backbone(model_for(engine), tokenizer, "tiny")
    assert backbone.engine.name == engine
    backbone.load_eraser(ahead(save_adapter(**(SIZES if engine == "cpu" else {}))))
    session = DocumentSession.load(backbone, Document(TEXT, "a"))
    session.erase(find_text(TEXT, OLD), method)
    clean = session.ask(QUESTION, method, sampling=SHORT).token_ids
    assert bool(hidden_slots(session)) == (method != "full_recompute")
    with poisoned(session):
        assert session.ask(QUESTION, method, sampling=SHORT).token_ids == clean
        if method != "mask":
            with session.cache(method) as cache:
                assert generated(session, cache) == clean or engine == "cpu"  # which rounds otherwise than modules


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("late", [False, True])
def test_a_model_with_another_attention_is_right_or_refused(tokenizer, eraser, attention, late):
    """A session answers by its engine, whatever the model's attention is; the model's own `generate` raises."""
    right = Backbone(tiny_model("llama"), tokenizer, "tiny")
    other = Backbone(tiny_model("llama", "kveraser" if late else attention), tokenizer, "tiny")
    for backbone in (right, other):
        backbone.load_eraser(eraser)
    expected, session = (DocumentSession.load(each, Document(TEXT, "a")) for each in (right, other))
    if late:
        other.model.set_attn_implementation(attention)
    refused = []
    for method in ("none", "erratum", *TRIED):
        expected.erase(find_text(TEXT, OLD), method)
        tokens = expected.ask(QUESTION, method, sampling=SHORT).token_ids
        session.erase(find_text(TEXT, OLD), method)
        assert session.ask(QUESTION, method, sampling=SHORT).token_ids == tokens
        try:
            with session.cache(method) as cache:
                assert generated(session, cache) == tokens
        except UnreadableKeys:
            refused.append(method)
        except NoCache:
            assert method in ("none", "erratum", "mask")
    assert refused == [method for method in TRIED if method not in ("full_recompute", "mask")]


def ask_unknown(session):
    with pytest.raises(UnknownMethod):
        session.ask(QUESTION, "forget")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("loaded", [True, False])
def test_the_sessions_cache_is_that_of_what_is_not_erased_in_every_state(llama, eraser, state, loaded):
    if loaded:
        llama.load_eraser(eraser)
    session = DocumentSession.load(llama, Document(TEXT, "a"))
    STATES[state](session)
    fresh = DocumentSession.load(llama, Document(TEXT, "a"))
    fresh.erase(find_text(TEXT, OLD))
    assert session.spans == fresh.spans
    expected = fresh.ask(QUESTION, sampling=SHORT).token_ids
    with session.cache() as cache:
        assert list(cache.ids) == session.kept_ids
        assert generated(session, cache) == expected
    # full recompute's cache is that of a document that never had the passage
    with session.cache("full_recompute") as cache:
        start = session._context.document_start
        exact = read_context(llama, session.kept_ids[start:]).cache
        for own, layer in zip(exact.editable, cache.editable, strict=True):
            for left, right in zip(own.filled(), layer.filled(), strict=True):
                torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-4)


def test_a_session_shows_no_other_cache(session):
    session.erase(find_text(TEXT, OLD))
    assert [name for name in vars(session) if not name.startswith("_")] == ["backbone"]
    with pytest.raises(AttributeError):
        _ = session.context


@pytest.mark.parametrize("method", ["none", "mask", "erratum"])
def test_a_method_that_leaves_erased_text_or_a_gap_gives_no_cache(session, method):
    session.erase(find_text(TEXT, OLD))
    with pytest.raises(NoCache, match=method), session.cache(method):
        pass
    with pytest.raises(UnknownMethod), session.cache("forget"):
        pass
    session.restore_all()
    with session.cache(method) as cache:  # nothing is erased, so nothing can be read
        assert generated(session, cache) == session_answer(session.backbone)


def test_a_cache_that_was_given_back_is_dead(session):
    session.erase(find_text(TEXT, OLD))
    with session.cache() as cache:
        answer = generated(session, copy.deepcopy(cache))
        shallow, untouched = copy.copy(cache), copy.deepcopy(cache)
    session.undo()
    before = states(session)
    for dead in (cache, shallow):
        with pytest.raises(CacheClosed):
            generated(session, dead)
        with pytest.raises(CacheClosed):
            session.backbone.model(torch.tensor([[5]]), past_key_values=dead)
        with pytest.raises(CacheClosed):
            dead.editable[0].filled()
    assert generated(session, copy.deepcopy(untouched)) == answer
    assert same(states(session), before)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_copied_cache_is_no_way_around(session, attention):
    session.erase(find_text(TEXT, OLD))
    with session.cache() as cache:
        copied = copy.deepcopy(cache)
    session.backbone.model.set_attn_implementation(attention)
    with pytest.raises(UnreadableKeys):
        generated(session, copied)


def test_the_document_cannot_be_cut_off_and_written_over(session):
    session.erase(find_text(TEXT, OLD))
    before = states(session)
    with session.cache() as cache:
        for cut in (lambda: cache.crop(-3), cache.reset, lambda: cache.truncate(4)):
            with pytest.raises(CacheClosed):
                cut()
        generated(session, cache)
        cache.crop(-2)
    assert same(states(session), before)


def test_a_lent_cache_cannot_be_edited_or_copied_out_of(session):
    session.erase(find_text(TEXT, OLD))
    before = states(session)
    with session.cache() as cache:
        for edit in (
            lambda: cache.slots(0, 4),
            lambda: cache.write(session._context.cache.slots(0, 4)),
            lambda: cache.overwriting([1, 2], cache.view.ranges).__enter__(),
            lambda: setattr(cache, "view", None),
        ):
            with pytest.raises(CacheClosed):
                edit()
    assert same(states(session), before)


def test_the_history_of_edits_is_bounded(session):
    for number in range(HISTORY + 40):
        session.mark([Span(number, number + 1)])
    taken_back = 0
    while session.undo():
        taken_back += 1
    assert 10 < taken_back <= HISTORY


def test_a_method_that_does_not_exist_is_refused_where_nothing_is_erased(session):
    for call in (
        lambda: session.ask(QUESTION, "forget"),
        lambda: next(session.stream(QUESTION, "kveraser:7")),
        lambda: session.erase([Span(0, 9)], "forget"),
        lambda: session.erase([], "forget"),
        lambda: list(session.compare(QUESTION, ["forget"])),
        lambda: session.cache("local_repair:x").__enter__(),
    ):
        with pytest.raises(UnknownMethod):
            call()
    assert session.spans == []


def test_memory_counts_room_and_no_second_buffer(session):
    cache = session._context.cache
    layer = cache.editable[0].key_buffer
    whole = 2 * len(cache.editable) * layer.nbytes
    assert session.memory_bytes == whole
    assert session.used_bytes == whole * session.tokens // cache.capacity
    session.erase(find_text(TEXT, OLD), "mask")
    assert session.memory_bytes == whole
    session.undo()
    assert session.memory_bytes == whole
