"""A file becomes a document: its text, where its pages begin, and the spans found in it."""

from kveraser_core.documents.document import MAX_BYTES, Document, PageRangeError, load_document, read_document
from kveraser_core.documents.errors import (
    DamagedDocument,
    DocumentError,
    DocumentNeedsMemory,
    DocumentTooLarge,
    DocumentTooSlow,
    EmptyDocument,
    EncryptedDocument,
    NotADocument,
    ScannedDocument,
)
from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.spans import Span, SpanError

__all__ = [
    "MAX_BYTES",
    "DamagedDocument",
    "Document",
    "DocumentError",
    "DocumentNeedsMemory",
    "DocumentTooLarge",
    "DocumentTooSlow",
    "EmptyDocument",
    "EncryptedDocument",
    "NotADocument",
    "PageRangeError",
    "ScannedDocument",
    "Span",
    "SpanError",
    "find_text",
    "load_document",
    "read_document",
]
