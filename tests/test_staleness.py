"""Which suffix tokens `kveraser_repair` recomputes, and where sentences end."""

import json

import pytest
import torch

from kveraser_core.documents.spans import Span
from kveraser_core.methods.edits import Edit
from kveraser_core.methods.staleness import WEIGHTS, stale_tokens
from kveraser_core.model.breaks import Breaks

STATEMENT = list(range(300, 312))


def fill(first, count):
    """Tokens that each occur once, none of which ends a line or a sentence."""
    return list(range(first, first + count))


@pytest.fixture
def plain(llama):
    """A backbone whose vocabulary has no ends of lines or sentences but the tokens 1 and 2."""

    class OneAndTwo:
        lines, sentences = (staticmethod(lambda ids, end=end: torch.as_tensor(ids) == end) for end in (1, 2))

    llama.breaks = OneAndTwo()
    return llama


def slots(chosen):
    return set(chosen)


def test_without_anything_to_tell_them_apart_the_seam_is_recomputed(plain):
    ids = [*fill(10, 10), *STATEMENT, *fill(100, 90)]
    assert stale_tokens(plain, ids, Edit(Span(10, 22)), [], 32) == [*range(22, 54)]


def test_the_end_of_an_echo_and_what_follows_are_recomputed_too(plain):
    before = [*fill(10, 10), *STATEMENT, *fill(100, 60)]
    ids = [*before, *STATEMENT, *fill(200, 60)]
    chosen = slots(stale_tokens(plain, ids, Edit(Span(10, 22)), [], 32))
    end = len(before) + len(STATEMENT)
    assert chosen >= set(range(end - 8, end + 3))
    assert chosen >= set(range(22, 30))
    assert len(chosen) == 32


def test_a_sentence_that_says_much_of_it_again_is_recomputed_as_a_whole(plain):
    again = [90, 91, 92, *STATEMENT[:8], 93, 94, 95, 2]
    ids = [*fill(10, 10), *STATEMENT, *fill(100, 60), 2, *again, *fill(200, 60)]
    chosen = slots(stale_tokens(plain, ids, Edit(Span(10, 22)), [], 32))
    start = 22 + 60 + 1
    assert chosen >= set(range(start, start + len(again)))
    assert chosen >= set(range(22, 22 + 15))


def test_a_few_words_in_common_are_not_much_of_an_echo(plain):
    ids = [*fill(10, 10), *STATEMENT, *fill(100, 60), *STATEMENT[:2], *fill(200, 60)]
    assert slots(stale_tokens(plain, ids, Edit(Span(10, 22)), [], 32)) >= set(range(22, 50))


def test_an_echo_before_the_span_is_left_alone(plain):
    ids = [*STATEMENT, *fill(10, 10), *STATEMENT, *fill(100, 90)]
    assert stale_tokens(plain, ids, Edit(Span(22, 34)), [], 32) == [*range(34, 66)]


@pytest.mark.parametrize("end", [1, 2])
def test_ends_of_lines_and_sentences_near_the_seam_come_before_what_is_around_them(plain, end):
    ids = [*fill(10, 10), *STATEMENT, *fill(100, 60), end, *fill(200, 60)]
    assert 22 + 60 in slots(stale_tokens(plain, ids, Edit(Span(10, 22)), [], 32))


def test_taken_tokens_are_never_chosen(plain):
    ids = [*fill(10, 10), *STATEMENT, *fill(100, 5), *STATEMENT, *fill(200, 90)]
    chosen = slots(stale_tokens(plain, ids, Edit(Span(10, 22)), [Span(27, 39)], 32))
    assert not chosen & set(range(27, 39))
    assert len(chosen) == 32


def test_a_short_suffix_is_recomputed_whole(plain):
    ids = [*fill(10, 10), *STATEMENT, *fill(100, 4)]
    assert stale_tokens(plain, ids, Edit(Span(10, 22)), [], 32) == [22, 23, 24, 25]
    assert stale_tokens(plain, ids[:22], Edit(Span(10, 22)), [], 32) == []


@pytest.mark.parametrize(
    "text",
    [
        "Ships pay. Boats do not! Do they?",
        "船舶付费。渔船不付！谁付？",
        "जहाज़ शुल्क देते हैं। नावें नहीं॥",
        "السفن تدفع. هل تدفع القوارب؟ لا۔",
        "Wait… then go. ",
    ],
)
def test_sentences_end_where_a_reader_of_the_language_sees_it(text, tokenizer):
    """In a vocabulary without these signs, which spells them in bytes."""
    ids, offsets = (tokenizer(text, return_offsets_mapping=True)[key] for key in ("input_ids", "offset_mapping"))
    found = {end for (_, end), is_end in zip(offsets, Breaks(tokenizer).sentences(ids), strict=True) if is_end}
    assert found == {at + 1 for at, sign in enumerate(text) if sign in ".!?…。！？।॥؟۔"}


def test_a_byte_that_signs_share_with_letters_ends_no_sentence(tokenizer):
    ids = tokenizer("यह किताब अच्छी है कि नहीं 字学校")["input_ids"]
    assert not Breaks(tokenizer).sentences(ids).any()


def test_the_erasers_own_weights_decide(plain, save_adapter):
    """With none but of echoes what follows the seam is taken by them alone."""
    ids = [*fill(10, 10), *STATEMENT, *fill(100, 60), *STATEMENT, *fill(200, 60)]
    folder = save_adapter()
    weights = dict.fromkeys(WEIGHTS, 0.0) | {"echo of 5": 1.0}
    (folder / "selector.json").write_text(json.dumps({"weights": weights, "fitted_on": {}}))
    plain.load_eraser(folder)
    chosen = stale_tokens(plain, ids, Edit(Span(10, 22)), [], 16 + 8)
    assert chosen == [*range(22, 38), *range(82 + 4, 82 + 12)]
