"""Turning what goes wrong in an event into one sentence on the page; the page stays as it was."""

import html
import logging
from collections.abc import Callable, Iterator
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any

import gradio as gr

from app.texts import explain, say
from kveraser_core.errors import KVEraserError

_log = logging.getLogger(__name__)


def spoken(handler: Callable[..., Any], markup: bool = True) -> Callable[..., Any]:
    """Turn what a user can put right into a message.

    The page shows a message as markup, so that what a user has written is escaped for it; a program wants plain text,
    `markup` false.
    """
    if isgeneratorfunction(handler):

        @wraps(handler)
        def stream(*arguments: Any, **named: Any) -> Iterator[Any]:
            try:
                yield from handler(*arguments, **named)
            except Exception as error:
                raise _message(error, arguments, markup) from error

        return stream

    @wraps(handler)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return handler(*arguments, **named)
        except Exception as error:
            raise _message(error, arguments, markup) from error

    return call


def _message(error: Exception, arguments: tuple[Any, ...], markup: bool) -> gr.Error:
    request = next((argument for argument in arguments if isinstance(argument, gr.Request)), None)
    if isinstance(error, KVEraserError):
        text = explain(request, error)
    else:
        _log.exception("an event failed", exc_info=error)
        text = say(request, "e_inside")
    return gr.Error(html.escape(text) if markup else text, print_exception=False)
