"""A part of the page that is drawn by its own script.

Its `value` is plain data; the script puts text in with `textContent` only, so that nothing of a document
is ever parsed as markup or run.
"""

import json
from typing import Any, ClassVar

import gradio as gr

from app.texts import STATIC, WORDS
from kveraser_core.documents.search.folding import RULES

_GIVEN = {"common": ("WORDS", WORDS), "folding": ("RULES", RULES)}
"""The constant that a script is given."""


class Widget(gr.HTML):
    """Draws `value` by the function `draw` of `static/<scripts>.js`, styled by `static/<styles>.css`."""

    scripts: ClassVar[tuple[str, ...]]
    styles: ClassVar[tuple[str, ...]] = ("panel",)

    def __init__(self, value: Any = None, **options: Any) -> None:
        scripts = [_script(name) for name in ("common", *self.scripts)]
        options = {
            "html_template": '<div class="root"></div>',
            "css_template": "\n".join(_static(f"{name}.css") for name in self.styles),
            "js_on_load": "\n".join([*scripts, "watch('value', draw);", "draw();"]),
            **options,
        }
        super().__init__(value=value, **options)


def _script(name: str) -> str:
    script = _static(f"{name}.js")
    if name not in _GIVEN:
        return script
    constant, value = _GIVEN[name]
    return f"const {constant} = {json.dumps(value)};\n{script}"


def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
