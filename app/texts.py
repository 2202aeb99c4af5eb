"""The words of the page, in English and in Simplified Chinese: the browser's language chooses."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

from app.language import language_of
from kveraser_core.errors import KVEraserError

STATIC = Path(__file__).parent / "static"


def _static(name: str) -> dict[str, str]:
    return json.loads((STATIC / name).read_text(encoding="utf-8"))


WORDS = {
    language: _static(f"words.{language}.json") | _static(f"methods.{language}.json") for language in ("en", "zh")
}
_ERRORS_ZH = _static("errors.zh.json")
_OURS = "kveraser-"
_SPOKEN = {"status.queue_position": "queue", "common.complete": "complete", "common.progress": "progress"}
"""What Gradio says to screen readers and has no Chinese for, and the key of our words for it."""


def _messages(words: dict[str, str]) -> dict[str, str]:
    return {_OURS + key: text for key, text in words.items()} | {key: words[ours] for key, ours in _SPOKEN.items()}


translations = gr.I18n(
    **{"en": _messages(WORDS["en"]), "zh": _messages(WORDS["zh"]), "zh-CN": _messages(WORDS["zh"])}
)


class PageError(KVEraserError):
    """What a user of the page can put right, in the user's language."""


class WordedError(KVEraserError):
    """What a user can put right: the text `key` with `values`, in English unless `explain` says it."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(WORDS["en"][key].format(**values))
        self.key, self.values = key, values

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.key, **self.values), ()  # an error is made anew from its key, not its text


def translated(key: str) -> I18nData:
    """The text `key`, put into the user's language by the browser."""
    return translations(_OURS + key)


def say(request: gr.Request | None, key: str) -> str:
    """The text `key` in the language of the browser that sent `request`."""
    return WORDS["zh" if _reads_chinese(request) else "en"][key]


def ran_instead(method: str, ran: str | None) -> str | None:
    """The key of the text about the erase method that `ran`, where that is not the `method` that was named."""
    name = (ran or method).partition(":")[0]
    return None if name == method.partition(":")[0] else f"ran_{name}"


def explain(request: gr.Request | None, error: KVEraserError) -> str:
    """What went wrong, in the language of the browser that sent `request`."""
    if isinstance(error, WordedError):
        return say(request, error.key).format(**error.values)
    return _ERRORS_ZH.get(type(error).__name__, str(error)) if _reads_chinese(request) else str(error)


def _reads_chinese(request: gr.Request | None) -> bool:
    return request is not None and language_of(request.headers).lower().startswith("zh")
