"""Eight clients for ten minutes, one of them hostile, against a served tiny model.

`SOAK_S` sets how many seconds it runs. Prints what each client got, the longest waits and the memory that was held.
"""

import os
import threading
import time
from collections import Counter

import pytest

from kveraser_core.model.backbone import Backbone
from tests.crowd import Client, Record, behave, misbehave, served
from tests.tiny import tiny_model

pytestmark = pytest.mark.soak
SECONDS = float(os.environ.get("SOAK_S", "600"))
_PAUSE_S = 0.5


def held(store) -> int:
    """Bytes of the caches and their copies that are in memory now."""
    with store._lock:
        kept = [room.workspace for room in store._rooms.values() if room.workspace]
    return sum(workspace.session.memory_bytes for workspace in kept)


def test_eight_clients_of_whom_one_is_hostile(tokenizer):
    backbone = Backbone(tiny_model("llama"), tokenizer, "tiny")
    backbone.end_ids = frozenset()
    stop, tally = threading.Event(), Counter()
    records = {f"127.0.0.{number}": Record() for number in range(2, 9)}
    taken = most = 0
    port, store = served(backbone, documents=12)
    good = [
        threading.Thread(target=behave, args=(Client(port, address), record, stop, _PAUSE_S))
        for address, record in records.items()
    ]
    hostile = Client(port, "127.0.0.66")
    bad = [threading.Thread(target=misbehave, args=(hostile, stop, tally, n), daemon=True) for n in range(6)]
    for thread in (*good, *bad):
        thread.start()
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        taken, most = max(taken, store.taken), max(most, held(store))
        time.sleep(0.1)
    stop.set()
    for thread in good:
        thread.join(120)
        assert not thread.is_alive()
    for address, record in records.items():
        print(
            f"{address}: {record.answered} answered, longest {record.longest_s:.1f} s, {len(record.failed)} failed, "
            f"documents gone: {record.announced} announced, {record.unannounced} not"
        )
    print(f"memory: {most / 2**20:.1f} MB held, {taken / 2**20:.1f} taken, budget {store.budget / 2**20:.1f}")
    print("hostile:", dict(tally))
    for record in records.values():
        assert record.answered
        assert record.failed == []
        assert record.longest_s < 30
        assert record.unannounced == 0
    assert taken <= store.budget
    assert most <= store.budget
