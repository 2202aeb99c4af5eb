"""Make a language model forget a passage of a document it has already read, without recomputing what follows.

The public names are loaded when they are first used: importing the package imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kveraser_core.documents import Document, Span, find_text, load_document, read_document
    from kveraser_core.errors import KVEraserError
    from kveraser_core.methods import METHODS
    from kveraser_core.model.backbone import Backbone
    from kveraser_core.model.generation import Sampling
    from kveraser_core.sessions.answers import Answer
    from kveraser_core.sessions.session import DocumentSession

_PLACES = {
    "Answer": "sessions.answers",
    "Backbone": "model.backbone",
    "Document": "documents",
    "DocumentSession": "sessions.session",
    "KVEraserError": "errors",
    "METHODS": "methods",
    "Sampling": "model.generation",
    "Span": "documents",
    "find_text": "documents",
    "load_document": "documents",
    "read_document": "documents",
}

__all__ = [
    "METHODS",
    "Answer",
    "Backbone",
    "Document",
    "DocumentSession",
    "KVEraserError",
    "Sampling",
    "Span",
    "find_text",
    "load_document",
    "read_document",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
