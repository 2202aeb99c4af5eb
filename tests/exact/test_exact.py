"""The exact cache that is made in the background: always what a fresh computation gives, and never in the way."""

import pytest
import torch

from kveraser_core.documents import Document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.spans import Span
from kveraser_core.engines.batch import Segment
from kveraser_core.methods import REFERENCE
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Cancelled
from kveraser_core.sessions import exact
from kveraser_core.sessions.exactness import NotExact
from kveraser_core.sessions.session import DocumentSession
from tests.exact.steps import OLD, QUESTION, SHORT, filled, work
from tests.poison import ENGINES, model_for
from tests.random_exact import CHUNK, Reference
from tests.tiny import TEXT


def test_after_an_edit_answers_become_exact(session, background):
    session.erase(find_text(TEXT, OLD))
    first = session.ask(QUESTION, sampling=SHORT)
    assert (first.method, first.exact) == ("local_repair", False)
    assert session.exactness.state == "working"
    (job,) = set(background)
    work(job)
    assert session.exactness.state == "exact"
    second = session.ask(QUESTION, sampling=SHORT)
    assert (second.method, second.ran, second.exact) == (REFERENCE, REFERENCE, True)
    assert second.erase_s < 0.1  # nobody waited for it
    fresh = Reference(session.backbone)
    fresh.session.erase(find_text(TEXT, OLD))
    assert second.token_ids == fresh.session.ask(QUESTION, REFERENCE, sampling=SHORT).token_ids
    assert all(map(torch.equal, filled(session._exact._cache), fresh.exact(session._history.edits)))
    named = session.ask(QUESTION, "mask", sampling=SHORT)
    assert (named.method, named.exact) == ("mask", False)


def test_nothing_erased_is_exact_whatever_the_method(session):
    assert session.exactness.state == "exact"
    for name in (None, "mask", REFERENCE):
        answer = session.ask(QUESTION, name, sampling=SHORT)
        assert (answer.ran, answer.exact) == ("none", True)
    session.erase([Span(0, 20)])
    assert not session.ask(QUESTION, "none", sampling=SHORT).exact


def test_progress_is_told_in_tokens_and_seconds(session, background):
    session.erase([Span(0, 20)])
    total = session.exactness.total
    assert total == len(session.kept_ids) - session._history.edits[0].span.start
    seen = [session.exactness]
    while background[0].step() != "done":
        seen.append(session.exactness)
    working = [state for state in seen if state.state == "working"]
    assert [state.done for state in working] == sorted(state.done for state in working)
    assert all(state.seconds > 0 for state in working)
    assert working[-1].done > total - CHUNK


def test_undo_and_redo_go_back_to_caches_that_are_kept(session, background):
    session.erase(find_text(TEXT, OLD))
    work(background[0])
    session.undo()
    assert session.exactness.state == "exact"
    session.redo()
    assert session.exactness.state == "exact"
    session.erase([Span(len(TEXT) - 30, len(TEXT))])
    assert session.exactness.state == "working"
    session.undo()  # before anything was overwritten
    assert session.exactness.state == "exact"


def test_a_further_edit_keeps_the_chunks_before_it(session, background, monkeypatch):
    session.erase([Span(0, 20)])
    work(background[0])
    passes = []
    plain = session.backbone.engine.forward

    def counted(batch, *arguments):
        passes.append(len(batch[0].ids))
        return plain(batch, *arguments)

    monkeypatch.setattr(session.backbone.engine, "forward", counted)
    late = find_text(TEXT, "The lamp on the pier")[0]
    session.erase([late], "mask")
    first, second = (edit.span for edit in session._history.edits)
    after = len(session.kept_ids) - (second.start - len(first))
    work(background[0])
    assert session.exactness.state == "exact"
    assert after <= sum(passes) < after + CHUNK
    fresh = Reference(session.backbone)
    assert all(map(torch.equal, filled(session._exact._cache), fresh.exact(session._history.edits)))


def test_edits_in_quick_succession_cost_one_recompute(session, background, monkeypatch):
    passes = []
    plain = session.backbone.engine.forward

    def counted(batch, cache, outputs, between=lambda: None):
        if cache is session._exact._cache:
            passes.append(len(batch[0].ids))
        return plain(batch, cache, outputs, between)

    monkeypatch.setattr(session.backbone.engine, "forward", counted)
    for start in range(0, 100, 20):
        session.erase([Span(start, start + 5)], "mask")
        work(background[0], steps=2)
    work(background[0])
    assert session.exactness.state == "exact"
    assert sum(passes) < 2 * len(session.kept_ids)


def test_an_answer_can_wait_for_exactness(session):
    session.erase(find_text(TEXT, OLD))
    seen = []
    session.make_exact(lambda *progress: seen.append(progress))
    assert seen[-1][0] == seen[-1][1]
    session.erase([Span(0, 10)])
    answer = session.ask(QUESTION, sampling=SHORT, exact=True)
    assert answer.exact
    with pytest.raises(NotExact, match="leave mask out"):
        session.ask(QUESTION, "mask", exact=True)


def test_waiting_can_be_cancelled_and_then_goes_on(session, background):
    session.erase(find_text(TEXT, OLD))
    asked = iter([False] * 3 + [True] * 99)
    with pytest.raises(Cancelled):
        session.make_exact(cancelled=lambda: next(asked))
    assert 0 < session.exactness.done < session.exactness.total
    work(background[-1])
    assert session.exactness.state == "exact"


def test_it_can_be_switched_off(llama, background):
    session = DocumentSession.load(llama, Document(TEXT, "a"), exact_soon=False)
    session.erase(find_text(TEXT, OLD))
    assert background == []
    assert session.exactness.state == "off"
    assert session.ask(QUESTION, sampling=SHORT, exact=True).exact
    assert not session.ask(QUESTION, "mask", sampling=SHORT).exact
    assert session._exact._cache is None  # the second cache is given back
    assert not session.ask(QUESTION, sampling=SHORT).exact
    session.exact_soon = True
    work(background[0])
    assert session.exactness.state == "exact"


def test_it_waits_for_memory_and_says_so(session, background, monkeypatch):
    session.erase(find_text(TEXT, OLD))
    monkeypatch.setattr(exact, "free_bytes", lambda device: session.memory_bytes)
    assert background[0].step() == "wait"
    assert session.exactness.state == "waiting"
    monkeypatch.setattr(exact, "free_bytes", lambda device: 3 * session.memory_bytes)
    work(background[0])
    assert session.exactness.state == "exact"


def test_what_goes_wrong_is_told_and_tried_again_after_a_change(session, background, monkeypatch):
    session.erase(find_text(TEXT, OLD))
    with monkeypatch.context() as patch:
        patch.setattr(session.backbone.engine, "forward", failing)
        with pytest.raises(MemoryError):
            work(background[0])
    assert session.exactness.state == "failed"
    assert "no memory" in session.exactness.reason
    session.erase([Span(0, 10)])
    work(background[-1])
    assert session.exactness.state == "exact"


def failing(*_, **__):
    raise MemoryError("no memory")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pass_gives_way_between_layers_and_is_the_same(engine, tokenizer):
    backbone = Backbone(model_for(engine), tokenizer, "tiny")
    ids = list(range(3, 43))
    alone, shared, other = (backbone.new_cache(60) for _ in range(3))
    backbone.engine.forward([Segment(ids)], alone, 0)
    calls = []
    expected = backbone.encode(ids[::-1], backbone.new_cache(60), 1)

    def between():
        calls.append(shared.length)
        other.truncate(0) if calls[1:] else None
        assert torch.equal(backbone.encode(ids[::-1], other, 1), expected)

    backbone.engine.forward([Segment(ids)], shared, 0, between)
    assert len(calls) == len(shared.editable) - 1
    assert all(map(torch.equal, filled(alone), filled(shared)))


@pytest.mark.parametrize("made", ["waited for", "soon"])
def test_an_exact_cache_that_was_made_is_kept_whatever_is_asked(session, made):
    session.exact_soon = made == "soon"
    session.erase([Span(80, 150)])
    session.make_exact()
    session.exact_soon = False
    session.ask("Who?", "mask", sampling=SHORT)
    session.compare("Who?", ["none"], sampling=SHORT)
    assert session.exactness.state == "exact"
    assert session.ask("Who?", sampling=SHORT).exact
    session.erase([Span(0, 20)])
    assert not session.ask("Who?", sampling=SHORT).exact
