"""Choosing erase methods. Other names than those offered are let through: the session refuses them in a sentence.

Such a name comes from a page that was loaded before the server was started again without the eraser.
"""

from typing import Any

import gradio as gr


class MethodChoice(gr.Dropdown):
    """One erase method."""

    def get_block_name(self) -> str:
        return "dropdown"

    def preprocess(self, payload: Any) -> str:
        return str(payload)


class MethodChoices(gr.CheckboxGroup):
    """Several erase methods."""

    def get_block_name(self) -> str:
        return "checkboxgroup"

    def preprocess(self, payload: Any) -> list[Any]:
        return [str(name) for name in payload]
