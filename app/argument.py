"""An argument of an endpoint, as a component of the page that nobody sees."""

from typing import Any

import gradio as gr

from app.endpoints import Parameter


class Argument(gr.Textbox):
    """Described as `parameter` says; what comes for it is left to the endpoint to check."""

    def __init__(self, parameter: Parameter) -> None:
        self._described = parameter
        super().__init__(parameter.default, label=parameter.name)

    def get_block_name(self) -> str:
        return "textbox"

    def get_config(self, cls: Any = None) -> dict[str, Any]:
        return super().get_config(gr.Textbox)

    def preprocess(self, payload: Any) -> Any:
        return payload

    def postprocess(self, value: Any) -> Any:
        return value

    def api_info(self) -> dict[str, Any]:
        return self._described.schema | {"additional_description": self._described.description}

    def example_payload(self) -> Any:
        return self._described.example
