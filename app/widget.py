"""A part of the page that is drawn by its own script.

Its `value` is plain data; the script puts text in with `textContent` only, so that nothing of a document
is ever parsed as markup or run.
"""

import json
from typing import Any, ClassVar

import gradio as gr

from app.texts import STATIC, WORDS


class Widget(gr.HTML):
    """Draws `value` by `static/<script>.js`, styled by `static/<style>.css`."""

    script: ClassVar[str]
    style: ClassVar[str] = "panel"

    def __init__(self, value: Any = None, **options: Any) -> None:
        words = json.dumps(WORDS, ensure_ascii=False)
        parts = [f"const WORDS = {words};", *(_static(f"{name}.js") for name in ("common", self.script))]
        options = {
            "html_template": '<div class="root"></div>',
            "css_template": _static(f"{self.style}.css"),
            "js_on_load": "\n".join(parts),
            **options,
        }
        super().__init__(value=value, **options)


def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
