"""Whether a model can read what it is asked: the packaged one was trained on English alone."""

from app.texts import WordedError
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.packaged import MODEL_NAME

_LAST_LATIN = "\u024f"


class UnreadLanguage(WordedError):
    """A question in a script that the model was not trained on, which it would answer with noise."""


def check_language(backbone: Backbone, question: str) -> None:
    """Raises `UnreadLanguage` where the packaged model is asked a question of which most letters are not Latin."""
    letters = [sign for sign in question if sign.isalpha()]
    if backbone.name == MODEL_NAME and 2 * sum(sign > _LAST_LATIN for sign in letters) > len(letters):
        raise UnreadLanguage("e_language", model=backbone.name)
