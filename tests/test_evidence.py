import pytest

from kveraser_core.documents.document import Document
from kveraser_core.documents.similar.evidence import EvidenceFinder
from kveraser_core.documents.spans import Span
from tests.tiny import TEXT

TODAY = "The toll today is thirty copper coins for a ship, paid at the quay by noon."
QUESTION = "How much is the toll today?"


@pytest.fixture(scope="module")
def finder():
    return EvidenceFinder(TEXT)


def test_the_passage_that_says_it_comes_first_with_its_place(finder):
    first = finder.find(QUESTION, "Thirty copper coins.").passages[0]
    assert first.text == TODAY
    assert TEXT[first.span.start : first.span.end] == TODAY


def test_the_answer_decides_between_passages_about_the_same(finder):
    silver = finder.find("What is the toll?", "Fourteen silver coins for every mast.").passages[0]
    copper = finder.find("What is the toll?", "Thirty copper coins for a ship.").passages[0]
    assert "silver" in silver.text
    assert "copper" in copper.text


def test_what_is_erased_is_no_evidence_not_even_in_part(finder):
    at = TEXT.index("copper")
    passages = finder.find(QUESTION, "Thirty copper coins.", [Span(at, at + 6)]).passages
    assert passages
    assert all("thirty" not in passage.text for passage in passages)


def test_words_that_stand_nowhere_are_named_and_so_is_what_only_erased_text_says(finder):
    assert finder.find(QUESTION, "The toll is 12 weeks.").absent == ("12", "weeks")
    assert finder.find(QUESTION, "The Toll is thirty coins, at the quay").absent == ()
    said = "According to the document, the answer is: they would have paid thirty coins."
    assert finder.find(QUESTION, said).absent == ()
    assert finder.find(QUESTION, "No, it must not be paid.").absent == ("no", "must", "not")
    at = TEXT.index("fourteen")
    assert finder.find("What was the toll?", "fourteen coins", [Span(at, at + 8)]).absent == ("fourteen",)


@pytest.mark.parametrize("question", ["Who won the World Cup of 1998?", "法国的首都是哪里？", ""])
def test_nothing_is_shown_for_what_the_document_does_not_speak_of(finder, question):
    assert finder.find(question, "").passages == ()


def test_a_document_in_chinese():
    text = "港务局九点开门。今天的通行费是三十枚铜币，中午前在码头支付。渔船不用付费。"
    found = EvidenceFinder(text).find("今天的通行费是多少？", "三十枚铜币")
    assert found.passages[0].text == "今天的通行费是三十枚铜币，中午前在码头支付。"
    assert found.absent == ()


def test_programs_get_places_and_pages():
    document = Document(TEXT, "harbour", (0, TEXT.index(TODAY)))
    evidence = EvidenceFinder(TEXT).find(QUESTION, "Ten coins.").as_json(document)
    (first, *_) = evidence["passages"]
    assert first["page"] == 2
    assert TEXT[first["start"] : first["end"]] == first["text"] == TODAY
    assert evidence["absent"] == ["ten"]
