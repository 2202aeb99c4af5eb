"""Finding passages that say the same, with the packaged sentence model."""

from itertools import pairwise
from pathlib import Path

import pytest

from kveraser_core.documents import load_document
from kveraser_core.documents.finding import find_text
from kveraser_core.documents.similar import CUT_OFF, SimilarFinder
from kveraser_core.documents.spans import Span

SAMPLES = Path(__file__).parents[1] / "assets" / "samples"
TEXT = (
    "The shop opens at nine in the morning. Dogs are welcome.\n\n"
    "Refunds are paid within 14 days of the purchase. The coffee is free.\n\n"
    "A customer gets the money back for two weeks after buying. Bring the receipt.\n\n"
    "The weather was fine all summer. Dogs are welcome."
)


def span(text):
    return Span(TEXT.index(text), TEXT.index(text) + len(text))


def test_a_literal_repeat_is_found_exactly():
    found = SimilarFinder(TEXT).find([span("Dogs are welcome.")])
    first = found[0]
    assert (first.text, first.literal, first.span.start) == ("Dogs are welcome.", True, TEXT.rindex("Dogs"))


def test_a_paraphrase_scores_above_everything_else():
    refunds = span("Refunds are paid within 14 days of the purchase.")
    best = SimilarFinder(TEXT).find([refunds], cut_off=0.0)[0]
    assert "money back" in best.text
    assert not best.literal


def test_nothing_that_is_erased_is_offered_and_nothing_twice():
    passages = [span("Refunds are paid within 14 days of the purchase."), span("The coffee is free.")]
    found = SimilarFinder(TEXT).find(passages, most=20, cut_off=-1.0)
    taken = sorted([*passages, *(similar.span for similar in found)])
    assert all(first.end <= second.start for first, second in pairwise(taken))
    assert all(TEXT[similar.span.start : similar.span.end] == similar.text for similar in found)


@pytest.mark.parametrize("text", ["", "x", "word " * 3])
def test_tiny_documents_have_nothing_similar(text):
    assert SimilarFinder(text).find([Span(0, len(text))] if text else []) == []


@pytest.mark.parametrize(
    ("file", "erased", "same", "most"),
    [
        ("policy-manual.pdf", "Notice from the spring edition: The refund period", "is 30 days", 4),
        ("research-brief.md", "In the hottest week the ceilings under green roofs were 11", "4 degrees cooler", 2),
        ("agent-log.txt", "The invoice account of Brightfloor Cleaning is 9988-13.", "5501-22", 3),
    ],
)
def test_the_cut_off_separates_on_the_samples(file, erased, same, most):
    text = load_document(SAMPLES / file).text
    (start,) = find_text(text, erased)
    found = SimilarFinder(text).find([Span(start.start, text.index("\n\n", start.start))])
    assert any(same in similar.text for similar in found)
    assert 1 <= len(found) <= most
    assert all(similar.score >= CUT_OFF for similar in found)
