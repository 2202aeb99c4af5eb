"""The samples, with the packaged model: erasing what they name changes the answers they name."""

import json
from pathlib import Path

import pytest

from kveraser_core.documents import load_document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.model.generation import Sampling
from kveraser_core.sessions.session import DocumentSession

SAMPLES = Path(__file__).parents[1] / "assets" / "samples"
TOKENS = {"policy-manual.pdf": (6_500, 7_500), "research-brief.md": (2_000, 4_000), "agent-log.txt": (2_000, 4_000)}
METHODS = {"agent-log.txt": ("full_recompute", "kveraser_repair")}
"""What must answer as if the passage had never been there, where that is more than full recompute."""
ALL = json.loads((SAMPLES / "samples.json").read_text())
EACH = pytest.mark.parametrize("sample", ALL, ids=lambda s: s["file"])


@pytest.mark.packaged
@EACH
def test_samples_are_as_long_as_is_said(sample, packaged):
    fewest, most = TOKENS[sample["file"]]
    assert fewest <= len(packaged.tokenize(load_document(SAMPLES / sample["file"]).text)[0]) <= most


@EACH
def test_what_is_to_be_erased_stands_in_a_sample_once(sample):
    text = load_document(SAMPLES / sample["file"]).text
    assert [len(find_text(text, passage)) for passage in sample["erase"]] == [1] * len(sample["erase"])


@pytest.mark.soak
@EACH
def test_erasing_changes_what_full_recompute_answers(sample, packaged):
    """In every run tests/test_readme.py does it with one of them: each takes a minute on a slow processor."""
    session = DocumentSession.load(packaged, load_document(SAMPLES / sample["file"]))
    for passage in sample["erase"]:
        session.mark(find_text(session.document.text, passage))
    for method in ("none", *METHODS.get(sample["file"], ("full_recompute",))):
        right, wrong = ("with", "without") if method == "none" else ("without", "with")
        for entry in sample["questions"]:
            answer = session.ask(entry["question"], method, sampling=Sampling(max_tokens=32, stop=("\n",))).text
            assert entry[right] in answer, (method, entry)
            assert entry[wrong] not in answer, (method, entry)
