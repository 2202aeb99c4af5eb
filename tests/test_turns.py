"""Turns at the model: fair between clients, bounded in number, and given back whatever happens."""

import threading
import time
from collections import Counter

import pytest

from app import jobs, turns
from app.jobs import DocumentBusy, Job, Stopped, Watched
from app.turns import TooManyRequests, Turns


def worked(line, client, slice_s, until, log):
    """A request of `client` that takes slices of so many seconds until `until` is set."""
    turn = line.open(client)
    try:
        while not until.is_set():
            while turn.wait(1):
                pass
            begun = time.monotonic()
            time.sleep(slice_s)
            log[client] += time.monotonic() - begun
            turn.give_back()
    finally:
        turn.close()


def test_a_client_with_many_long_slices_gets_no_more_time_than_one_with_short_ones():
    line, stop, log = Turns(), threading.Event(), Counter()
    jobs_of = [("greedy", 0.05)] * 4 + [("modest", 0.005)]
    threads = [threading.Thread(target=worked, args=(line, client, s, stop, log)) for client, s in jobs_of]
    for thread in threads:
        thread.start()
    time.sleep(2)
    stop.set()
    for thread in threads:
        thread.join()
    assert log["modest"] > 0.6 * log["greedy"]


def test_asking_anew_again_and_again_wins_nothing():
    line, held = Turns(), {"loop": 0.0, "one": 0.0}
    one = line.open("one")
    deadline = time.monotonic() + 1.5
    stop = threading.Event()

    def loop():
        while not stop.is_set():
            turn = line.open("loop")
            while turn.wait(1):
                pass
            time.sleep(0.05)
            turn.close()
            held["loop"] += turn.held_s

    thread = threading.Thread(target=loop)
    thread.start()
    while time.monotonic() < deadline:
        while one.wait(1):
            pass
        time.sleep(0.005)
        one.give_back()
    stop.set()
    one.close()
    thread.join()
    assert one.held_s > 0.5 * held["loop"]


def test_within_a_client_it_is_first_come_first_served_and_places_are_told():
    line = Turns()
    first, second, third, other = (line.open(client) for client in ("a", "a", "a", "b"))
    assert first.wait(0) is None
    assert second.wait(0) == (1, 1)
    assert third.wait(0) == (2, 2)
    time.sleep(0.01)
    assert other.wait(0) == (1, 3)  # `a` has had more
    first.close()
    assert second.wait(0) is not None
    assert other.wait(0) is None
    time.sleep(0.05)
    other.close()
    assert third.wait(0) is not None
    assert second.wait(0) is None
    second.close()
    assert third.wait(0) is None


def test_a_client_fills_only_its_own_share_of_the_line():
    line = Turns()
    mine = [line.open("flood") for _ in range(turns.OF_A_CLIENT)]
    with pytest.raises(TooManyRequests, match="5 of your requests"):
        line.open("flood")
    others = [line.open(f"{number}") for number in range(turns.OF_ALL - len(mine))]
    with pytest.raises(TooManyRequests, match="24 requests"):
        line.open("0")
    line.open("newcomer")
    for turn in (*mine, *others):
        turn.close()
    line.open("flood")


def test_a_request_that_fails_gives_back_what_it_had():
    line = Turns()

    def fail():
        with Job(line, None) as job:
            job.take()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with Job(line, None) as job:
        job.take()
        assert not line.waiting


class Workspace:
    def __init__(self):
        self.line = Turns()


def test_nobody_waits_for_a_document_with_the_model_in_hand(monkeypatch):
    monkeypatch.setattr(jobs, "FOR_A_DOCUMENT_S", 0.2)
    monkeypatch.setattr(jobs, "_POLL_S", 0.05)
    line, document = Turns(), Workspace()
    with Job(line, None) as busy:
        busy.take(document)
        busy._turns[-1].give_back()  # as between two slices
        with Job(line, None) as other, pytest.raises(DocumentBusy, match="Another request"):
            other.take(document)
        assert line.holder is None
        with Job(line, None) as third:
            third.take(Workspace())


def test_who_is_stopped_while_waiting_leaves_the_line(monkeypatch):
    monkeypatch.setattr(jobs, "_POLL_S", 0.02)
    line = Turns()
    with Job(line, None) as busy:
        busy.take()
        seen = []
        watched = Watched(line, None, lambda job: job.take())
        for _ in watched.moments(0.02):
            seen.append(watched.job.place)
            if watched.job.place:
                break  # the page was closed
        assert (1, 1) in seen
        deadline = time.monotonic() + 5
        while line.waiting and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not line.waiting
        watched = Watched(line, None, lambda job: job.take())
        watched.job.cancelled.set()
        with pytest.raises(Stopped):
            list(watched.moments(0.01))


def test_a_request_has_the_model_for_a_bounded_time(monkeypatch):
    monkeypatch.setattr(jobs, "LONGEST_S", 0.05)
    with Job(Turns(), None) as job:
        job.take()
        assert not job.time_is_over
        time.sleep(0.06)
        assert job.time_is_over
