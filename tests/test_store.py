"""Which documents stay in memory, which go, and what their owners are told."""

import gc
import weakref
from types import SimpleNamespace

import pytest

from app import store as module
from app.jobs import Job
from app.shelf import NotKept, Shelf
from app.store import NoRoom, SessionStore, UnknownSession
from app.texts import WORDS, explain
from app.turns import Turns
from app.work import load
from app.workspace import PrefillTime
from kveraser_core.documents import Document
from kveraser_core.sessions.memory import document_bytes
from kveraser_core.sessions.session import DocumentSession


class Kept:
    """Stands in for a workspace."""

    def __init__(self):
        self.stopped = 0

    def stop(self):
        self.stopped += 1


@pytest.fixture
def clock(monkeypatch):
    """Moves on by a second whenever it is read."""
    now = [100.0]

    def monotonic():
        now[0] += 1
        return now[0]

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=monotonic))
    return now


def keep(sessions, client="a", owner="", nbytes=10, workspace=None):
    with sessions.room(nbytes, client, owner) as room:
        return sessions.add(workspace or Kept(), room)


def gone(sessions, key):
    with pytest.raises(UnknownSession) as raised:
        sessions.get(key)
    return str(raised.value)


def test_an_id_that_is_not_known_gives_nothing():
    sessions = SessionStore()
    kept = Kept()
    key = keep(sessions, workspace=kept)
    assert sessions.get(key) is kept
    assert "no longer in memory" in gone(sessions, key[:-1])
    assert "no document yet" in gone(sessions, None)
    assert sessions.find(key[:-1]) is None


def test_the_store_is_bounded_in_bytes_and_forgets_the_oldest(clock):
    sessions = SessionStore(30)
    first, second, third = (keep(sessions) for _ in range(3))
    sessions.get(first)
    fourth = keep(sessions)
    assert all(sessions.find(key) for key in (first, third, fourth))
    assert "to make room" in gone(sessions, second)
    assert sessions.taken == 30


def test_a_document_larger_than_all_room_is_refused_and_nothing_is_lost_for_it(clock):
    sessions = SessionStore(30 << 20)
    keys = [keep(sessions, nbytes=10 << 20) for _ in range(3)]
    with pytest.raises(NoRoom, match="needs 31 MB of memory and 30 MB are set aside"):
        keep(sessions, nbytes=31 << 20)
    assert all(map(sessions.find, keys))


def test_a_client_that_loads_in_a_loop_evicts_only_its_own(clock):
    sessions = SessionStore(80)
    hers = [keep(sessions, "her") for _ in range(3)]
    for _ in range(50):
        keep(sessions, "loop")
    assert all(map(sessions.find, hers))
    assert sessions.taken == 80
    newcomer = keep(sessions, "newcomer")
    for _ in range(50):
        keep(sessions, "loop")
    assert all(map(sessions.find, [*hers, newcomer]))


def test_a_client_below_its_share_gets_room_from_the_one_that_holds_most(clock):
    sessions = SessionStore(80)
    small = [keep(sessions, "small") for _ in range(2)]
    large = [keep(sessions, "large") for _ in range(6)]
    new = keep(sessions, "new")
    assert "to make room" in gone(sessions, large[0])
    assert all(map(sessions.find, [*small, *large[1:], new]))


def test_a_document_in_use_never_goes_and_what_cannot_fit_costs_nobody_anything(clock):
    sessions = SessionStore(30)
    used, other = keep(sessions, "a"), keep(sessions, "a", nbytes=20)
    with sessions.using(used), sessions.using(other):
        with pytest.raises(NoRoom, match="are in use by others"):
            keep(sessions, "b", nbytes=20)
        clock[0] += 10_000
        sessions.sweep()
    with sessions.using(used):
        # The other one alone does not make room for 25, so it stays.
        with pytest.raises(NoRoom):
            keep(sessions, "b", nbytes=25)
        assert sessions.find(other)
        keep(sessions, "b", nbytes=20)
    assert sessions.find(used)


def test_two_documents_loading_at_once_cannot_overshoot():
    sessions = SessionStore(30)
    with sessions.room(20, "a"):
        with pytest.raises(NoRoom), sessions.room(20, "b"):
            pass
        assert sessions.taken == 20
    assert sessions.taken == 0


def test_a_client_has_a_bounded_number_of_documents(clock):
    sessions = SessionStore(10_000)
    other = keep(sessions, "other")
    keys = [keep(sessions) for _ in range(module.OF_A_CLIENT + 1)]
    assert [bool(sessions.find(key)) for key in keys] == [False] + [True] * module.OF_A_CLIENT
    assert sessions.find(other)


def test_a_tab_has_one_document_and_programs_have_many():
    sessions = SessionStore()
    first, second = keep(sessions, owner="tab"), keep(sessions, owner="tab")
    assert "loaded another one" in gone(sessions, first)
    assert sessions.find(second)
    keys = [keep(sessions) for _ in range(3)]
    assert all(map(sessions.find, keys))


def test_what_a_tab_replaces_goes_before_what_others_have(clock):
    sessions = SessionStore(20)
    older, replaced = keep(sessions, owner="one"), keep(sessions, owner="two")
    keep(sessions, owner="two")
    assert sessions.find(older)
    assert sessions.find(replaced) is None


def test_a_document_in_two_tabs_stays_until_both_are_gone(clock):
    sessions, kept = SessionStore(grace_s=60), Kept()
    key = keep(sessions, owner="original", workspace=kept)
    sessions.get(key, "duplicate")
    sessions.leave("duplicate")
    clock[0] += 1000
    sessions.sweep()
    assert sessions.get(key) is kept
    assert kept.stopped == 0
    sessions.get(key, "duplicate")
    keep(sessions, owner="original")  # the original opens another document
    assert sessions.find(key) is kept
    sessions.leave("duplicate")
    assert kept.stopped == 1
    clock[0] += 1000
    assert "its page was closed" in gone(sessions, key)


def test_a_closed_tab_and_an_idle_hour_free_a_workspace(clock):
    sessions = SessionStore(idle_s=3600, grace_s=60)
    closed, back, other = (keep(sessions, owner=owner) for owner in "abc")
    sessions.leave("a")
    sessions.leave("b")
    clock[0] += 40
    assert sessions.get(back, "b, reloaded")
    clock[0] += 30
    assert "its page was closed" in gone(sessions, closed)
    assert sessions.find(back)
    assert sessions.find(other)
    clock[0] += 3601
    assert "not been used for an hour" in gone(sessions, other)


def test_what_became_of_a_document_is_told_in_both_languages_and_nobody_crowds_it_out(clock):
    sessions = SessionStore(80)
    hers = [keep(sessions, "her") for _ in range(9)]
    for _ in range(600):
        keep(sessions, "loop")
    with pytest.raises(UnknownSession) as raised:
        sessions.get(hers[0])
    request = type("Request", (), {"headers": {"accept-language": "zh-CN"}})()
    assert explain(request, raised.value) == WORDS["zh"]["e_gone_room"]


def test_what_a_document_is_said_to_need_is_what_it_takes(llama):
    document = Document("The toll is 30 coins. Ships pay at noon. " * 9, "harbour.txt")
    kept = DocumentSession.load(llama, document)
    tokens = len(llama.tokenize(document.text)[0])
    assert kept.memory_bytes == document_bytes(llama, tokens)
    sessions = SessionStore(1 << 30)
    with Job(Turns(), None) as job:
        key, workspace = load(job, llama, sessions, document, PrefillTime())
    copy = workspace.session
    for method in ("mask", "delete_shift", "local_repair", "erratum", "full_recompute"):
        copy.ask("What is the toll?", method)
        assert copy.memory_bytes <= sessions.taken
    assert sessions.get(key) is workspace


def test_a_document_without_room_is_refused_before_the_prefill(llama, monkeypatch):
    monkeypatch.setattr(DocumentSession, "load", lambda *arguments: pytest.fail("prefilled"))
    with Job(Turns(), None) as job, pytest.raises(NoRoom, match="--memory"):
        load(job, llama, SessionStore(1000), Document("The toll is 30 coins.", "a.txt"), PrefillTime())


def test_a_document_that_was_dropped_is_freed_at_once(llama):
    sessions = SessionStore(1 << 30)
    with Job(Turns(), None) as job:
        key, workspace = load(job, llama, sessions, Document("The toll is 30 coins.", "a.txt"), PrefillTime(), "tab")
    workspace.session.ask("How much?", "mask")
    cache = weakref.ref(workspace.session._context.cache)
    gc.disable()
    try:
        del workspace
        keep(sessions, owner="tab")
        assert sessions.find(key) is None
        assert cache() is None
    finally:
        gc.enable()


def test_documents_too_long_are_kept_for_few_tabs():
    shelf, document = Shelf(), Document("text", "a.txt")
    shelf.put("hers", "her", document)
    for number in range(200):
        shelf.put(f"tab {number}", f"client {number % 50}", document)
    for number in range(200):
        shelf.put(f"more {number}", "loop", document)
    kept = [client for client, _ in shelf._documents.values()]
    assert len(kept) == 32
    assert kept.count("loop") == 1
    assert shelf.get("more 199") is document
    with pytest.raises(NotKept, match="open it again"):
        shelf.get("tab 0")
    alone = Shelf()
    for number in range(9):
        alone.put(f"tab {number}", "alone", document)
    assert len(alone._documents) == 4
