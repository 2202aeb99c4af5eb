import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kveraser_core.documents.spans import Span, SpanError, TokenMap, check_span, merge_spans, subtract_spans

PIECES = ["\r\n", "\n", " ", "é", "e\u0301", "漢", "字", "👍🏽", "👩‍👩‍👧", "\u200d", "a", "The ", "toll"]
UNICODE = st.lists(st.one_of(st.characters(codec="utf-8"), st.sampled_from(PIECES)), min_size=1, max_size=40).map(
    "".join
)


def token_map(tokenizer, text):
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True)
    return encoded["input_ids"], TokenMap(encoded["offset_mapping"], len(text))


@given(text=UNICODE, data=st.data())
def test_a_span_takes_every_token_that_touches_it(tokenizer, text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    ids, tokens = token_map(tokenizer, text)
    erased = tokens.to_tokens(Span(start, end))
    before, after = ids[: erased.start], ids[erased.end :]
    characters = tokens.to_characters(erased)
    assert characters.start <= start
    assert end <= characters.end
    # Byte-level tokens decode to the very text: what is left is the text before and behind, and nothing else.
    assert tokenizer.decode(before) == text[: characters.start]
    assert tokenizer.decode(ids[erased.start : erased.end]) == text[characters.start : characters.end]
    assert tokenizer.decode(after) == text[characters.end :]


@given(text=UNICODE, data=st.data())
def test_rounding_out_twice_changes_nothing(tokenizer, text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    _, tokens = token_map(tokenizer, text)
    erased = tokens.to_tokens(Span(start, end))
    assert tokens.to_tokens(tokens.to_characters(erased)) == erased


def test_a_space_goes_with_the_word_behind_it():
    tokens = TokenMap([(0, 3), (4, 8), (8, 9)], 9)
    assert tokens.to_tokens(Span(3, 4)) == Span(1, 2)
    assert tokens.to_characters(Span(1, 2)) == Span(3, 8)


def test_tokens_that_share_a_character_go_together():
    # " 😀" where the first token holds the space and the first bytes of the emoji.
    tokens = TokenMap([(0, 2), (2, 4), (3, 4), (3, 4), (4, 6)], 6)
    assert tokens.to_tokens(Span(2, 3)) == Span(1, 4)
    assert tokens.to_tokens(Span(3, 4)) == Span(1, 4)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9))))
def test_merged_spans_cover_the_same_characters(pairs):
    spans = [Span(start, start + length) for start, length in pairs]
    merged = merge_spans(spans)
    assert {at for span in spans for at in range(span.start, span.end)} == {
        at for span in merged for at in range(span.start, span.end)
    }
    assert all(left.end < right.start for left, right in itertools.pairwise(merged))


@pytest.mark.parametrize("span", [Span(-1, 2), Span(3, 3), Span(4, 2), Span(0, 11), Span(10, 12)])
def test_spans_outside_the_text_are_refused(span):
    with pytest.raises(SpanError, match="10 characters"):
        check_span(span, "ten chars.")


def test_a_span_must_read_as_expected():
    check_span(Span(0, 3), "ten chars.", "ten")
    with pytest.raises(SpanError, match="select the passage again"):
        check_span(Span(0, 3), "ten chars.", "the")


@given(*[st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)))] * 2)
def test_what_is_left_of_spans_lies_in_no_other(pairs, others):
    spans, taken = ([Span(start, start + length) for start, length in some] for some in (pairs, others))
    left = subtract_spans(spans, taken)
    places = {at for span in spans for at in range(span.start, span.end)}
    assert sorted(at for span in left for at in range(span.start, span.end)) == sorted(
        places - {at for span in taken for at in range(span.start, span.end)}
    )
