"""A session with an eraser, on every engine that runs here."""

import pytest

from kveraser_core.documents import Document
from kveraser_core.sessions.session import DocumentSession
from tests.doors_cache.sessions import TEXT, ahead


@pytest.fixture
def eraser(save_adapter):
    """An eraser with lookahead: with it most of a span's slots are neither written nor read."""
    return ahead(save_adapter())


@pytest.fixture
def session(llama, eraser):
    llama.load_eraser(eraser)
    return DocumentSession.load(llama, Document(TEXT, "harbour.txt"))
