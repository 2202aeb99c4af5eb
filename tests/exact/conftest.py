"""A session whose exact cache is recomputed in small chunks."""

import pytest

from kveraser_core.documents import Document
from kveraser_core.model import model_lock
from kveraser_core.sessions import exact
from kveraser_core.sessions.session import DocumentSession
from kveraser_core.sessions.worker import Worker
from tests.random_exact import CHUNK
from tests.tiny import TEXT


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    for module in ("model.generation", "methods.apply", "sessions.pace"):
        monkeypatch.setattr(f"kveraser_core.{module}.CHUNK", CHUNK)
    monkeypatch.setattr(model_lock, "QUIET_S", 0.0)


@pytest.fixture
def session(llama):
    return DocumentSession.load(llama, Document(TEXT, "harbour.txt"))


@pytest.fixture
def worker(monkeypatch):
    """The worker's own thread, for the sessions of a test."""
    made = Worker()
    monkeypatch.setattr(exact, "WORKER", made)
    yield made
    made.end()
    assert made._thread is None
