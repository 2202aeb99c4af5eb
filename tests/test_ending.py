import pytest

from kveraser_core.model.ending import end_of

FACT = "The toll is thirty coins."


def shown(text, brief):
    """What is shown of an answer whose characters come one by one, and whether it ended before all were there."""
    sure = 0
    for until in range(len(text) + 1):
        now, ended = end_of(text[:until], brief)
        assert now >= sure, "what was shown cannot be taken back"
        sure = now
        if ended:
            return text[:sure], True
    return text[:sure], False


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"{FACT} It is paid at the quay. {FACT} It", f"{FACT} It is paid at the quay."),
        (f"{FACT}\n{FACT}\nThe", FACT),
        (f"{FACT}\n\nQuestion: Who pays?", FACT),
        ("Question: Who pays it?", ""),
    ],
)
def test_an_answer_ends_where_it_repeats_itself_or_asks_the_next_question(text, kept):
    assert shown(text, brief=False) == (kept, True)


@pytest.mark.parametrize(
    "text",
    [
        "通行费是三十枚铜币。在码头支付。",
        "Yes. Yes. Yes. No",
        f"{FACT} The toll is thirty",
        f"{FACT}\nQuestions of law",
        FACT,
    ],
)
def test_other_answers_go_on(text):
    assert not shown(text, brief=False)[1]
    assert end_of(f"{text} and more", brief=False) == (len(text) + 9, False)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"{FACT} It is paid", FACT),
        ("It is “thirty coins.” And", "It is “thirty coins.”"),
        ("30 days\n\nThe refund", "30 days"),
        ("\n\n30 days\nand", "\n\n30 days"),
        ("Dr. J. Holm paid 3.5 coins. She", "Dr. J. Holm paid 3.5 coins."),
        ("1. The pilot. 2. The", "1. The pilot."),
        ("三十枚铜币。在码头", "三十枚铜币。"),
        ("The answer is:\n\n30 days\n\nThe", "The answer is:\n\n30 days"),
        ("Answer:\nAnswer:\nAnswer:\n", "Answer:"),
        ("Paid at: the quay. And", "Paid at: the quay."),
    ],
)
def test_a_brief_answer_ends_after_its_first_sentence(text, kept):
    assert shown(text, brief=True) == (kept, True)


@pytest.mark.parametrize("text", ["It costs 3.", FACT, "30 days"])
def test_a_brief_answer_that_may_go_on_is_shown_as_far_as_it_is(text):
    assert shown(text, brief=True) == (text, False)
