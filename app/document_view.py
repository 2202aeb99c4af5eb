"""The document as the reader sees it: selectable text with the erased passages struck through.

The browser counts UTF-16 units, Python code points; both directions are converted here. What the browser
says is selected is believed only if the document reads the same there.
"""

from pathlib import Path
from typing import Any

import gradio as gr

from kveraser_core.spans import Span, SpanError, check_span

_HERE = Path(__file__).parent


class DocumentView(gr.HTML):
    """Shows `doc` as plain text; `value` is the list of erased `[start, end]`, in UTF-16 units.

    Its `span` event carries `start`, `end` and `text` of a selection.
    """

    def __init__(self, value: list[list[int]] | None = None, *, doc: str = "", **options: Any) -> None:
        super().__init__(
            value=value or [],
            doc=doc,
            html_template='<div class="doc" role="document" aria-label="Document" tabindex="0"></div>',
            css_template=(_HERE / "document_view.css").read_text(encoding="utf-8"),
            js_on_load=(_HERE / "document_view.js").read_text(encoding="utf-8"),
            **options,
        )


def to_browser(text: str, spans: list[Span]) -> list[list[int]]:
    """`spans` of `text`, in code points, as `[start, end]` pairs in UTF-16 units."""
    return [[_units(text[: span.start]), _units(text[: span.end])] for span in spans]


def from_browser(text: str, start: object, end: object, selected: object) -> Span:
    """The span of code points at UTF-16 units `start` to `end`. Raises `SpanError` unless it reads `selected`."""
    if not isinstance(start, int) or not isinstance(end, int) or not isinstance(selected, str):
        raise SpanError("The selection was not understood: select the passage again.")
    if not 0 <= start < end <= _units(text):
        raise SpanError("The selection lies outside the document: select the passage again.")
    encoded = text.encode("utf-16-le")
    try:
        span = Span(*(len(encoded[: 2 * units].decode("utf-16-le")) for units in (start, end)))
    except UnicodeDecodeError:
        raise SpanError("The selection cuts a character in two: select the passage again.") from None
    check_span(span, text, selected)
    return span


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
