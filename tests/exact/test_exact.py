"""The exact cache that is made in the background: always what a fresh computation gives, and never in the way."""

import os
import threading
import time

import pytest
import torch

from kveraser_core.documents import Document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.spans import Span
from kveraser_core.engines.batch import Segment
from kveraser_core.methods import REFERENCE
from kveraser_core.model import model_lock
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Cancelled, Sampling
from kveraser_core.model.model_lock import Interrupted, ModelLock
from kveraser_core.sessions import exact, pace
from kveraser_core.sessions.exactness import NotExact
from kveraser_core.sessions.pace import Pace
from kveraser_core.sessions.session import DocumentSession
from kveraser_core.sessions.worker import Worker
from tests.conftest import TEXT
from tests.poison import ENGINES, model_for
from tests.random_exact import CHUNK, Reference, Sequence

SEED = int(os.environ.get("KVERASER_SEED", "0"))
SHORT = Sampling(max_tokens=4)
OLD = "An old rule said that the toll is fourteen silver coins for every mast."
QUESTION = "What is the toll?"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    for module in ("model.generation", "methods.apply", "sessions.pace"):
        monkeypatch.setattr(f"kveraser_core.{module}.CHUNK", CHUNK)
    monkeypatch.setattr(model_lock, "QUIET_S", 0.0)


@pytest.fixture
def session(llama):
    return DocumentSession.load(llama, Document(TEXT, "harbour.txt"))


def work(job, steps=10**6):
    """Work on `job` until it has nothing to do, or for a number of steps."""
    while steps and job.step() != "done":
        steps -= 1


def filled(cache):
    return [states.clone() for layer in cache.editable for states in layer.filled()]


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


def sequences(llama, background, count, operations):
    reference = Reference(llama)
    layers = 0
    for number in range(count):
        background.clear()
        sequence = Sequence(reference, background, SEED + number)
        sequence.run(operations)
        layers += sequence.layers
    return layers


def test_random_sequences_give_what_a_fresh_computation_gives(llama, background):
    assert sequences(llama, background, 100, 10) > 200


@pytest.mark.soak
@pytest.mark.parametrize("engine", ENGINES)
def test_thousands_of_random_sequences_give_what_a_fresh_computation_gives(engine, tokenizer, background):
    assert sequences(Backbone(model_for(engine), tokenizer, "tiny"), background, 2000, 20) > 10_000


@pytest.fixture
def worker(monkeypatch):
    """The worker's own thread, for the sessions of a test."""
    made = Worker()
    monkeypatch.setattr(exact, "WORKER", made)
    yield made
    made.end()
    assert made._thread is None


def until(said, seconds=30):
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_the_worker_makes_sessions_exact_and_ends_without_work(llama, worker):
    sessions = [DocumentSession.load(llama, Document(text, "a")) for text in (TEXT, TEXT[::-1])]
    for session in sessions:
        session.erase([Span(10, 30)])
    until(lambda: all(session.exactness.state == "exact" for session in sessions))
    until(lambda: worker._thread is None)
    for session in sessions:
        assert session.ask(QUESTION, sampling=SHORT).exact


def test_an_open_answer_neither_blocks_the_worker_nor_other_sessions(llama, worker):
    first, second = (DocumentSession.load(llama, Document(text, "a")) for text in (TEXT, TEXT[::-1]))
    stream = first.stream(QUESTION, sampling=SHORT)
    next(stream)
    erasing = threading.Thread(target=lambda: first.erase([Span(40, 60)]))
    erasing.start()
    second.erase([Span(40, 60)])
    until(lambda: second.exactness.state == "exact")
    stream.close()
    erasing.join()
    until(lambda: first.exactness.state == "exact")


def test_threads_that_edit_and_wait_while_the_worker_works(llama, worker):
    session = DocumentSession.load(llama, Document(TEXT, "a"))
    faults = []

    def change(first):
        try:
            for number in range(first, first + 60, 4):
                session.erase([Span(number, number + 3)])
                answer = session.ask(QUESTION, sampling=SHORT, exact=number % 8 == 0)
                assert answer.exact or number % 8
                session.undo()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=change, args=(first,)) for first in (0, 61)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    session.restore_all()
    session.erase([Span(100, 130)])
    until(lambda: session.exactness.state == "exact")
    fresh = Reference(llama)
    assert all(map(torch.equal, filled(session._exact._cache), fresh.exact(session._history.edits)))


def test_a_session_that_is_dropped_takes_its_work_along(llama, worker):
    session = DocumentSession.load(llama, Document(TEXT, "a"))
    held = llama.lock
    with held:  # so that nothing is done in the background
        session.erase([Span(10, 30)])
        session.exact_soon = False
        del session
    until(lambda: worker._thread is None)


def test_the_background_has_the_lock_only_while_nobody_else_wants_it():
    lock, order = ModelLock(), []
    inside, asked = threading.Event(), threading.Event()

    def user():
        inside.wait(5)
        asked.set()
        with lock:
            order.append("user")

    thread = threading.Thread(target=user)
    thread.start()
    with lock.in_background(lambda: False) as give_way:
        order.append("background")
        inside.set()
        asked.wait(5)
        until(lambda: give_way() > 0 or order[-1] == "user")
        order.append("background")
    thread.join()
    assert order == ["background", "user", "background"]
    with lock, pytest.raises(Interrupted), lock.in_background(lambda: True):
        pass


def test_the_background_waits_for_work_beside_the_model():
    lock, has = ModelLock(), threading.Event()

    def background():
        with lock.in_background(lambda: False):
            has.set()

    thread = threading.Thread(target=background, daemon=True)
    with lock.without_background():
        thread.start()
        assert not has.wait(0.2)
        with lock:  # others have it
            pass
    assert has.wait(10)
    thread.join()


def test_passes_become_shorter_where_others_would_wait_too_long(monkeypatch):
    monkeypatch.setattr(pace, "CHUNK", 512)
    machine = Pace()
    machine.note(512, 9.0, longest_s=2 * pace.WAIT_S)
    assert machine.tokens == 256
    assert machine.seconds_a_token == 9.0 / 512
    machine.note(256, 9.0, longest_s=0.9 * pace.WAIT_S)
    assert machine.tokens == 256
    machine.note(256, 1.0, longest_s=0.1 * pace.WAIT_S)
    assert machine.tokens == 512
    machine.note(512, 1.0, longest_s=0.1 * pace.WAIT_S)
    assert machine.tokens == 512
