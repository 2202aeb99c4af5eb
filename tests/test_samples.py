"""The samples, with the packaged model: erasing what they name changes the answers they name."""

import json
from pathlib import Path

import pytest

from kveraser_core.documents import load_document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.model.generation import Sampling

SAMPLES = Path(__file__).parents[1] / "assets" / "samples"
TOKENS = {"policy-manual.pdf": (6_500, 7_500), "research-brief.md": (2_000, 4_000), "agent-log.txt": (2_000, 4_000)}
METHODS = {"agent-log.txt": ("full_recompute", "kveraser_repair")}
"""What must answer as if the passage had never been there, where that is more than full recompute."""
QUICK = ("agent-log.txt",)
"""Tried in every run: each of the others takes the better part of a minute on a slow processor."""
ALL = json.loads((SAMPLES / "samples.json").read_text())
EACH = pytest.mark.parametrize("sample", ALL, ids=lambda s: s["file"])


@pytest.mark.packaged
@EACH
def test_samples_are_as_long_as_is_said(sample, packaged):
    fewest, most = TOKENS[sample["file"]]
    assert fewest <= len(packaged.tokenize(load_document(SAMPLES / sample["file"]).text)[0]) <= most


@pytest.mark.packaged
@pytest.mark.parametrize("sample", [sample for sample in ALL if sample["file"] in QUICK], ids=lambda s: s["file"])
def test_erasing_changes_what_full_recompute_answers(sample, prefilled):
    answers_change(sample, prefilled(load_document(SAMPLES / sample["file"])))


@pytest.mark.soak
@EACH
def test_erasing_changes_what_full_recompute_answers_in_every_sample(sample, prefilled):
    answers_change(sample, prefilled(load_document(SAMPLES / sample["file"])))


def answers_change(sample, session):
    for passage in sample["erase"]:
        found = find_text(session.document.text, passage)
        assert len(found) == 1
        session.mark(found)
    for method in ("none", *METHODS.get(sample["file"], ("full_recompute",))):
        right, wrong = ("with", "without") if method == "none" else ("without", "with")
        for entry in sample["questions"]:
            answer = session.ask(entry["question"], method, sampling=Sampling(max_tokens=32, stop=("\n",))).text
            assert entry[right] in answer, (method, entry)
            assert entry[wrong] not in answer, (method, entry)
