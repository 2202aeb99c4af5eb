"""The document as the reader sees it: selectable text with the erased spans struck through.

The browser counts UTF-16 units, Python code points; both directions are converted here. What the browser
says is selected is believed only if the document reads the same there.
"""

from typing import Any

from app.widget import Widget
from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span, SpanError, check_span

NOT_UNDERSTOOD = "The selection was not understood: select the passage again."


class DocumentView(Widget):
    """Shows the text `doc`, its pages beginning at `pages`; `value` holds the list `erased`, all in UTF-16 units.

    A span that was replaced has its new text as a third entry. While the value says `reading`, the text cannot be
    edited yet. The events `erase`, `replace`, `similar` and `restore` carry `start`, `end` and `text` of
    a span, `replace` its `new_text` too; `erase` may have several under `all`. Gradio takes a named argument that its
    script names too for an event, and copies that with all it holds, the model included, whenever the page is opened:
    so `doc` and `pages` are none.
    """

    scripts = ("folding", "searching", "finding", "structure", "reading", "selecting", "marking", "replacing")
    styles = ("document",)

    def __init__(self, value: Any = None, **options: Any) -> None:
        super().__init__(value=value or {"erased": []}, **{"doc": "", "pages": [0]} | options)


def shown(document: Document) -> dict[str, Any]:
    """The properties of a view of `document`, nothing erased."""
    pages = [_units(document.text[:start]) for start in document.page_starts]
    return {"doc": document.text, "pages": pages, "value": {"erased": []}}


def span_data(text: str, span: Span) -> dict[str, Any]:
    """A span as the browser knows it: `start` and `end` in UTF-16 units, and its `text`."""
    ((start, end),) = to_browser(text, [span])
    return {"start": start, "end": end, "text": text[span.start : span.end]}


def to_browser(text: str, spans: list[Span]) -> list[list[int]]:
    """`spans` of `text`, in code points, as `[start, end]` pairs in UTF-16 units."""
    return [[_units(text[: span.start]), _units(text[: span.end])] for span in spans]


def from_browser(text: str, start: object, end: object, selected: object) -> Span:
    """The span of code points at UTF-16 units `start` to `end`. Raises `SpanError` unless it reads `selected`."""
    if not isinstance(start, int) or not isinstance(end, int) or not isinstance(selected, str):
        raise SpanError(NOT_UNDERSTOOD)
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
