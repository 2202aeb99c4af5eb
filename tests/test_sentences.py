"""Sentences, and the windows that are made of them: none is left out, whatever the language and the layout."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kveraser_core.documents import load_document
from kveraser_core.documents.similar.embedding import MOST_TOKENS, embed, token_starts
from kveraser_core.documents.similar.sentences import sentences
from kveraser_core.documents.similar.windows import Windows
from kveraser_core.documents.spans import Span

ROOT = Path(__file__).parents[1]
FILES = [ROOT / "README.md", *(file for file in (ROOT / "assets" / "samples").iterdir() if file.suffix != ".json")]


def split(text):
    return [text[span.start : span.end] for span in sentences(text)]


def windows(text):
    return Windows.of(text, Span(0, len(text)), token_starts(text), MOST_TOKENS)


def missed(text, spans):
    """The words, separated by white space, that are in none of `spans` as a whole."""
    covered = [False] * len(text)
    for span in spans:
        covered[span.start : span.end] = [True] * len(span)
    return [word.group() for word in re.finditer(r"\S+", text) if not all(covered[word.start() : word.end()])]


@pytest.mark.parametrize(
    "sentences_with_bars",
    [
        "Opening hours\n\n|We open at nine.",
        "Opening hours\n|We open at nine.",
        "- dogs are welcome\n|- cats. |They may stay\n|* the end",
        "1. First rule. |2. |No\n|2. Second rule",
        "toll\t14\n|mast\t30\n|All is told.",
        "Ask Dr. Smith for No. 5, it is 3.5 m long, e.g. here. |Then go.",
        "Das gilt z. B. für Hunde. |Katzen nicht.",
        "She said “Go. Now.” and left. |He slept.",
        "退款在十四天内支付。|咖啡是免费的！|是吗？|是的。",
        "返金は14日以内に支払われます。|コーヒーは無料です。",
        "القهوة مجانية! |هل المتجر مفتوح؟ |نعم.",
        "रिफंड 14 दिनों में दिया जाता है। |कॉफी मुफ़्त है।",
        "환불은 14일 이내에 지급됩니다. |커피는 무료입니다.",
        "😀 goes. |🚢🚢 come.",
    ],
)
def test_where_sentences_end(sentences_with_bars):
    expected = [sentence.strip() for sentence in sentences_with_bars.split("|")]
    assert split(sentences_with_bars.replace("|", "")) == expected


def test_each_row_of_a_table_is_one():
    rows = ["| toll | 14 coins, paid by whoever comes in from the sea |", "| mast | 30 coins, paid by whoever |"]
    assert split("\n".join(rows)) == rows


def test_wrapped_lines_are_one_sentence():
    wrapped = (
        "3. Refunds\n"
        "A customer who wants a refund must bring the article back within\n"
        "fourteen days of the purchase. Gift vouchers are never paid out in\n"
        "cash, whatever the customer says.\n"
        "Complaints go to the shop manager."
    )
    assert split(wrapped) == [
        "3. Refunds",
        "A customer who wants a refund must bring the article back within\nfourteen days of the purchase.",
        "Gift vouchers are never paid out in\ncash, whatever the customer says.",
        "Complaints go to the shop manager.",
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_word_of_a_file_is_looked_at(file):
    text = load_document(file).text
    assert missed(text, windows(text).spans) == []


_PIECES = [
    "a",
    "Dogs sleep",
    ". ",
    "? ",
    "\n",
    "\n\n",
    "- ",
    "| x |",
    "\t",
    "  ",
    "好的。",
    "1.",
    "…",
    "é",
    "😀",
    "# H",
]


@given(
    st.lists(st.sampled_from(_PIECES), max_size=30).map("".join) | st.text(st.characters(codec="utf-8"), max_size=60)
)
def test_no_word_of_any_text_is_left_out(text):
    found = sentences(text)
    assert all(first.end <= second.start for first, second in pairwise(found))
    assert missed(text, found) == []
    within = Span(0, len(text))
    made = Windows.of(text, within, range(len(text)), 5)  # as if each character were a token
    assert missed(text, made.pieces) == []
    assert all(piece.start < piece.end for piece in made.pieces)


@pytest.mark.parametrize(
    "text",
    ["the long road goes on " * 300, "字" * 700, "Hypercorrection" * 90],
    ids=("words", "characters", "one word"),
)
def test_what_is_too_long_is_cut_so_that_the_model_reads_all_of_it(text):
    made = windows(text)
    assert missed(text, made.pieces) == []
    assert all(len(token_starts(piece)) <= 254 for piece in made.texts)
    assert len(made.pieces) <= 2 + len(token_starts(text)) // (MOST_TOKENS // 2)


def test_short_lines_are_read_with_what_follows_and_the_last_with_what_precedes():
    assert windows("Dogs\n\nThey are welcome here at any time.\n\nEnd").texts == (
        "Dogs\n\nThey are welcome here at any time.",
        "They are welcome here at any time.",
        "They are welcome here at any time.\n\nEnd",
    )


def test_a_pair_lies_within_a_paragraph_and_is_near_what_the_model_says_of_it():
    text = load_document(ROOT / "assets" / "samples" / "research-brief.md").text
    made = windows(text)
    pairs = made.spans[len(made.pieces) :]
    assert pairs
    assert not any("\n\n" in text[span.start : span.end] for span in pairs)
    shown = pairs[:20]
    vectors = made.vectors(embed(made.texts))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    read = embed([text[span.start : span.end] for span in shown])
    assert (vectors[len(made.pieces) :][: len(shown)] * read).sum(axis=1).mean() > 0.9
