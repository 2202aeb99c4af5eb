"""Whatever is done to sessions, in whatever order and from whichever thread, nothing erased is read."""

import os

import pytest

from kveraser_core.documents.spans import Span
from kveraser_core.sessions import lock as session_lock
from tests.poison import ENGINES, model_for
from tests.random_operations import Operations, tiny_backbone
from tests.test_row_pass import SIZES

SEED = int(os.environ.get("KVERASER_SEED", "0"))


def survives(operations: Operations, count: int, threads: int, timeout_s: float) -> None:
    tally = operations.run(count, threads, SEED, timeout_s)
    print(f"{tally.done} operations, {tally.refused} refused, {tally.read_erased} read erased slots, {tally.faults}")
    assert tally.faults == []
    assert tally.read_erased == 0
    assert count // 10 < tally.refused < count * 0.9  # both happen
    assert operations.unchanged()


@pytest.fixture(params=[("torch", "qwen3"), *((engine, "llama") for engine in ENGINES)], ids="-".join)
def operations(request, tokenizer, save_adapter, monkeypatch):
    monkeypatch.setattr(session_lock, "PATIENCE_S", 0.2)
    engine, kind = request.param
    adapter = save_adapter(kind, **(SIZES if engine == "cpu" else {}))
    backbone = tiny_backbone(model_for(engine, kind), tokenizer, adapter)
    assert backbone.engine.name == engine
    return Operations(backbone, ["kveraser", "sdpa", "eager"])


def test_random_operations_read_nothing_erased(operations):
    survives(operations, 400, threads=3, timeout_s=300)


@pytest.mark.soak
def test_ten_thousand_random_operations_read_nothing_erased(operations):
    survives(operations, 10_000, threads=3, timeout_s=3600)


def test_the_poison_would_be_noticed(operations):
    """The check itself: a session that reads an erased slot is counted."""
    session = operations.sessions[0]
    session.erase([Span(0, 60)], "mask")
    session._context.cache.view = None
    session.ask("Who?", "mask")
    assert operations.tally.read_erased > 0
