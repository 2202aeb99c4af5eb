"""A clock that only moves by hand, and token ids."""

from types import SimpleNamespace

import pytest

from kveraser_core.benchmark.ours import Ours
from tests.training.texts import prose


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("kveraser_core.benchmark.cells.time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


@pytest.fixture
def ids(llama):
    return [*Ours(llama, []).prompt.head_ids, *llama.tokenize(prose(5, 400))[0]]
