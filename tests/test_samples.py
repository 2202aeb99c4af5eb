"""The samples, with the packaged model: erasing what they name changes the answers they name."""

import json
from pathlib import Path

import pytest

from kveraser_core.backbone import Backbone
from kveraser_core.documents import load_document
from kveraser_core.generation import Sampling
from kveraser_core.session import DocumentSession
from kveraser_core.spans import find_text

SAMPLES = Path(__file__).parents[1] / "assets" / "samples"
TOKENS = {"policy-manual.pdf": (6_500, 7_500), "research-brief.md": (2_000, 4_000), "agent-log.txt": (2_000, 4_000)}
ALSO_RIGHT = {"agent-log.txt": ("kveraser",)}
"""What else answers as full recompute does."""


@pytest.fixture(scope="module")
def packaged():
    return Backbone.load()


@pytest.mark.packaged
@pytest.mark.parametrize("sample", json.loads((SAMPLES / "samples.json").read_text()), ids=lambda s: s["file"])
def test_erasing_changes_what_full_recompute_answers(sample, packaged):
    document = load_document(SAMPLES / sample["file"])
    session = DocumentSession.load(packaged, document)
    fewest, most = TOKENS[sample["file"]]
    assert fewest <= session.tokens <= most
    for passage in sample["erase"]:
        found = find_text(document.text, passage)
        assert len(found) == 1
        session.mark(found)
    for entry in sample["questions"]:
        before = session.ask(entry["question"], "none", sampling=Sampling(max_tokens=32)).text
        assert entry["with"] in before
        assert entry["without"] not in before
        for method in ("full_recompute", *ALSO_RIGHT.get(sample["file"], ())):
            after = session.ask(entry["question"], method, sampling=Sampling(max_tokens=32)).text
            assert entry["without"] in after
            assert entry["with"] not in after
