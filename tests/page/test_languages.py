"""What is said where the packaged model, which reads English only, is asked in another language."""

from types import SimpleNamespace

import pytest

from app.languages import UnreadLanguage, check_language
from kveraser_core.model.packaged import MODEL_NAME

PACKAGED, OTHER = SimpleNamespace(name=MODEL_NAME), SimpleNamespace(name="another")


@pytest.mark.parametrize("question", ["退款期限是多少天？", "Каков срок?", "ما هي المدة؟", "14 天还是 30 天？"])
def test_a_question_in_another_script_is_refused_by_the_packaged_model_alone(question):
    with pytest.raises(UnreadLanguage, match=f"{MODEL_NAME} reads English only: ask in English"):
        check_language(PACKAGED, question)
    check_language(OTHER, question)


@pytest.mark.parametrize("question", ["What does 退款 mean here?", "Où est la gare ?", "14?", "What is α?"])
def test_a_question_in_latin_letters_is_asked(question):
    check_language(PACKAGED, question)
