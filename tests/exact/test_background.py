"""The background recomputes while nobody else wants the model."""

import threading

import pytest
import torch

from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span
from kveraser_core.model.model_lock import Interrupted, ModelLock
from kveraser_core.sessions import pace
from kveraser_core.sessions.pace import Pace
from kveraser_core.sessions.session import DocumentSession
from tests.exact.steps import QUESTION, SHORT, filled, until
from tests.random_exact import Reference
from tests.tiny import TEXT


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
