"""Finding passages like an erased one, with the packaged sentence model where its vectors matter."""

import random
import time
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from kveraser_core.documents import load_document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.similar import finder as similar
from kveraser_core.documents.similar import index
from kveraser_core.documents.similar.differences import differences
from kveraser_core.documents.similar.finder import CUT_OFF, SimilarFinder
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


def apart(found):
    return [found.text[word.start - found.span.start : word.end - found.span.start] for word in found.added]


@pytest.mark.parametrize(
    ("erased", "other", "added", "missing"),
    [
        ("The refund period is 14 days.", "The refund period is 30 days.", ["30"], ["14"]),
        ("The shop is not open on Sundays.", "The shop is open on Sundays.", [], ["not"]),
        ("The key hangs with Ann Berg in Oslo.", "The key hangs with Ann Dahl in Oslo.", ["Dahl"], ["Berg"]),
        ("退款期为14天。", "退款期为30天。", ["30"], ["14"]),
    ],
)
def test_a_neighbour_says_in_which_words_it_differs(erased, other, added, missing):
    text = f"{erased}\n\nThe weather was fine all summer.\n\n{other}"
    (found,) = SimilarFinder(text).find([Span(0, len(erased))])
    assert (found.text, found.literal, apart(found), list(found.missing)) == (other, False, added, missing)


def test_a_repeat_differs_in_nothing():
    first = SimilarFinder(TEXT).find([span("Dogs are welcome.")])[0]
    assert (first.literal, first.added, first.missing) == (True, (), ())


@pytest.mark.parametrize(
    ("passage", "other", "added", "missing"),
    [
        ("A dog's 3.5 m leash, 20%", "a Dog’s “3.5” m  leash; 20 %", [], []),
        ("below -5 degrees", "below 5 degrees", ["-5"], ["5"]),
        ("costs 5 €", "costs 5 $", ["€"], ["$"]),
        ("three four five", "one two three five six", ["four"], ["one two", "six"]),
        ("", "nothing here", [], ["nothing here"]),
    ],
)
def test_which_words_differ(passage, other, added, missing):
    found = differences(passage, other)
    assert ([passage[word.start : word.end] for word in found.added], list(found.missing)) == (added, missing)


@pytest.fixture
def embedded(monkeypatch):
    """The texts for which a vector was made: random ones, the same for the same text."""
    texts = list[str]()

    def embed(new):
        texts.extend(new)
        made = [np.random.default_rng(crc32(text.encode())).standard_normal(384) for text in new]
        return np.array([vector / np.linalg.norm(vector) for vector in made], dtype=np.float32).reshape(-1, 384)

    monkeypatch.setattr(index, "embed", embed)
    return texts


def long_text(words):
    rng = random.Random(words)
    vocabulary = sorted(set(load_document(SAMPLES / "research-brief.md").text.split()))
    made = (" ".join(rng.choices(vocabulary, k=15)) + ".\n\n"[: rng.choice((1, 3))] for _ in range(words // 15))
    return " ".join(made)


def test_the_best_windows_are_given_and_none_over_another(embedded, monkeypatch):
    """Against comparing every window with every one of the passages, one by one."""
    monkeypatch.setattr(similar, "_ASKED_AT_ONCE", 2)
    text = long_text(3000)
    finder = SimilarFinder(text)
    passages = [Span(200, 700), Span(5000, 5020), Span(9000, 9300)]
    found = finder.find(passages, most=15, cut_off=-1)
    made = index.Index(text)
    made.make(lambda done, total: None)
    texts, asked = made.of_passages(passages)
    assert len(asked) > 4
    score = {
        window: max(float(vector @ other) for other in asked)
        for window, vector in zip(made.windows.spans, made.vectors, strict=True)
    }
    expected, taken = [], list(passages)
    for window in sorted(score, key=score.__getitem__, reverse=True):
        if len(expected) < 15 and all(window.end <= other.start or other.end <= window.start for other in taken):
            expected.append(window)
            taken.append(window)
    assert [one.span for one in found] == expected
    vectors = dict(zip(made.windows.spans, made.vectors, strict=True))
    most_like = [texts[int(np.argmax(asked @ vectors[window]))] for window in expected]
    missing = [
        differences(text[window.start : window.end], other).missing
        for window, other in zip(expected, most_like, strict=True)
    ]
    assert [one.missing for one in found] == missing
    assert [one.score for one in found] == pytest.approx([score[window] for window in expected], abs=1e-5)


def test_a_document_is_embedded_once_and_says_how_far_that_is(embedded):
    text = long_text(3000)
    finder, steps = SimilarFinder(text), list[tuple[int, int]]()
    finder.find([Span(0, 100)], progress=lambda *step: steps.append(step))
    assert len(steps) > 3
    assert all(before[0] < after[0] for before, after in pairwise(steps))
    assert {total for _, total in steps} == {steps[-1][0]}
    assert len(embedded) - len(set(embedded)) == 0
    steps.clear()
    before = len(embedded)
    finder.find([Span(0, 100), Span(2000, 2100)], progress=lambda *step: steps.append(step))
    assert steps == []
    assert len(embedded) - before <= 8  # what is asked for


def test_a_search_that_was_given_up_is_gone_on_with(embedded):
    finder = SimilarFinder(long_text(3000))

    class GivenUp(Exception):
        pass

    def give_up(done, total):
        if done > total / 2:
            raise GivenUp

    with pytest.raises(GivenUp):
        finder.find([Span(0, 100)], progress=give_up)
    half = len(embedded)
    finder.find([Span(0, 100)])
    made = embedded[:half] + [text for text in embedded[half:] if text in finder._text]
    assert len(made) == len(set(made))
    assert half < len(made)


def test_the_time_grows_with_the_words_and_is_short(embedded):
    def seconds(words):
        text = long_text(words)
        finder = SimilarFinder(text)
        finder.find([Span(0, 100)])
        taken = []
        for start in (1000, 2000):
            since = time.thread_time()
            finder.find([Span(start, start + 200)], cut_off=-1)
            taken.append(time.thread_time() - since)
        return min(taken)

    quarter, whole = seconds(25_000), seconds(100_000)
    assert whole < 3
    assert whole < 8 * quarter + 0.1


def test_a_part_of_a_longer_word_or_number_is_no_repeat():
    text = "The fee was 10.\n\nIt was raised in 2010, says a note.\n\nThe fee was 10 in spring."
    at = text.index("10")
    found = SimilarFinder(text).find([Span(at, at + 2)])
    assert [one.span.start for one in found if one.literal] == [text.rindex("10")]
