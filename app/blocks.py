"""Gradio's blocks, which say in a sentence what is wrong with what came for an event."""

import logging
from collections.abc import Mapping
from typing import Any

import gradio as gr

from app.endpoints import ArgumentError, Endpoint

_log = logging.getLogger(__name__)


class Blocks(gr.Blocks):
    """The page; `endpoints` are those of its events that programs may call."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self.endpoints = endpoints
        super().__init__(title="KVEraser", fill_width=True, analytics_enabled=False)

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *others: Any, **options: Any) -> list[Any]:
        """Check and prepare `inputs`. Raises `gr.Error` only: of other errors Gradio tells nothing."""
        try:
            if block_fn.api_visibility == "public":
                self.endpoints[block_fn.api_name].by_position(inputs)
            return await super().preprocess_data(block_fn, inputs, *others, **options)
        except gr.Error:
            raise
        except ArgumentError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Exception as error:
            _log.info("what came for %s is refused", block_fn.api_name, exc_info=error)
            raise gr.Error("What was sent does not fit: load the page again.", print_exception=False) from error
