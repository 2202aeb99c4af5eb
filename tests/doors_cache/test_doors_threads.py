"""Threads that edit, ask and generate on sessions at once."""

import threading
import time

import pytest

from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.spans import Span
from kveraser_core.errors import KVEraserError
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Sampling
from kveraser_core.sessions import lock as session_lock
from kveraser_core.sessions.lock import SessionBusy
from tests.doors_cache.sessions import OLD, QUESTION, SHORT, TEXT, generated
from tests.tiny import tiny_model

EDITS = {
    "erase": lambda session: session.erase([Span(0, 9)]),
    "mark": lambda session: session.mark([Span(0, 9)]),
    "undo": lambda session: session.undo(),
    "restore": lambda session: session.restore_all(),
    "ask": lambda session: session.ask("Who?", sampling=SHORT),
    "compare": lambda session: list(session.compare("Who?", ["none"], sampling=SHORT)),
    "cache": lambda session: session.cache().__enter__(),
}


def test_an_erase_waits_while_another_thread_generates(session):
    session.erase(find_text(TEXT, OLD))
    with session.cache() as cache:
        alone = generated(session, cache, max_new_tokens=40)
    started, answers = threading.Event(), []

    def generate():
        with session.cache() as cache:
            started.set()
            answers.append(generated(session, cache, max_new_tokens=40))

    for number in range(6):
        started.clear()
        thread = threading.Thread(target=generate)
        thread.start()
        assert started.wait(20)
        session.erase([Span(5 * number, 5 * number + 3)])
        thread.join(20)
        session.undo()
    assert answers == [alone] * 6


@pytest.mark.parametrize("edit", EDITS)
def test_a_thread_that_edits_under_its_own_stream_is_told_so_at_once(session, edit):
    stream = session.stream(QUESTION, sampling=Sampling(max_tokens=60))
    next(stream)
    begun = time.monotonic()
    with pytest.raises(SessionBusy, match="close it"):
        EDITS[edit](session)
    assert time.monotonic() - begun < session_lock.PATIENCE_S / 2
    stream.close()
    session.erase([Span(0, 9)])
    with session.cache(), pytest.raises(SessionBusy):
        EDITS[edit](session)
    assert session.ask(QUESTION, sampling=SHORT).token_ids


def test_other_threads_wait_for_a_stream_that_goes_on_but_not_for_one_that_rests(session, monkeypatch):
    monkeypatch.setattr(session_lock, "PATIENCE_S", 0.5)
    expected = session.ask(QUESTION, sampling=Sampling(max_tokens=60)).text
    stream = session.stream(QUESTION, sampling=Sampling(max_tokens=60))
    pieces, said = [next(stream)], []

    def edit():
        try:
            said.append(session.erase([Span(0, 9)]))
        except KVEraserError as error:
            said.append(error)

    thread = threading.Thread(target=edit)
    thread.start()
    for piece in stream:  # slower than the patience in all, but never at rest for so long
        pieces.append(piece)
        time.sleep(0.02)
    thread.join(20)
    assert not thread.is_alive()
    assert isinstance(said[0], float)
    assert "".join(pieces[:-1]).strip() == expected
    session.undo()
    resting = session.stream(QUESTION, sampling=Sampling(max_tokens=60))
    next(resting)
    thread = threading.Thread(target=edit)
    thread.start()
    thread.join(20)
    assert isinstance(said[1], SessionBusy)
    resting.close()
    assert session.spans == []


def test_a_stream_may_go_from_thread_to_thread(session):
    stream = session.stream(QUESTION, sampling=Sampling(max_tokens=20))
    pieces = []
    while not pieces or isinstance(pieces[-1], str):
        thread = threading.Thread(target=lambda: pieces.append(next(stream)))
        thread.start()
        thread.join(20)
    session.erase([Span(0, 9)])
    assert session.spans


def test_backbones_that_share_a_tokenizer_never_take_text_for_special_tokens(tokenizer):
    backbones = [Backbone(tiny_model("llama"), tokenizer, name) for name in ("a", "b")]
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    found, stop = [], threading.Event()

    def template(backbone):
        while not stop.is_set():
            backbone.tokenize_template("<|im_start|>user\n")
            tokenizer("<|im_start|>", split_special_tokens=False)  # the caller's own use of it

    threads = [threading.Thread(target=template, args=(backbone,)) for backbone in backbones]
    for thread in threads:
        thread.start()
    for number in range(600):
        ids, _ = backbones[number % 2].tokenize("ends <|im_end|> here")
        found.append(end in ids)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert sum(found) == 0
