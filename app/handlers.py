"""What the page does when something is clicked: each function is one event, over sessions in the store."""

import html
import logging
from collections.abc import Callable, Iterator
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any

import gradio as gr

from app.document_view import from_browser, to_browser
from app.samples import sample_path
from app.store import SessionStore
from kveraser_core.answers import FIGURES, Answer, figures
from kveraser_core.backbone import Backbone
from kveraser_core.documents import load_document
from kveraser_core.errors import KVEraserError
from kveraser_core.generation import Sampling
from kveraser_core.session import DocumentSession
from kveraser_core.spans import Span

HEADERS = ["method", "answer", *FIGURES]
_log = logging.getLogger(__name__)


def spoken(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what a user can put right into a message on the page; the page stays as it was."""
    if isgeneratorfunction(handler):

        @wraps(handler)
        def stream(*arguments: Any) -> Iterator[Any]:
            try:
                yield from handler(*arguments)
            except Exception as error:
                raise _message(error) from error

        return stream

    @wraps(handler)
    def call(*arguments: Any) -> Any:
        try:
            return handler(*arguments)
        except Exception as error:
            raise _message(error) from error

    return call


def _message(error: Exception) -> gr.Error:
    if isinstance(error, KVEraserError):
        return gr.Error(html.escape(str(error)), print_exception=False)
    _log.exception("an event failed", exc_info=error)
    return gr.Error("Something went wrong that should not: the log says what. Try again.", print_exception=False)


class Handlers:
    """The events of one page."""

    def __init__(self, backbone: Backbone, store: SessionStore) -> None:
        self.backbone, self.store = backbone, store

    @spoken
    def load(
        self, path: str | None, password: str, request: gr.Request, progress: gr.Progress = gr.Progress()
    ) -> tuple[Any, ...]:
        """Read the uploaded file. Returns the session's id, the document view and the status."""
        if not path:
            raise KVEraserError("There is no file yet: upload one or pick a sample.")
        document = load_document(path, password=password or None)
        session = DocumentSession.load(
            self.backbone, document, lambda done, total: progress((done, total), desc="Reading", unit="tokens")
        )
        owner = request.session_hash or ""
        self.store.drop(owner)
        key = self.store.add(session, owner)
        pages = f", {document.page_count} pages" if document.page_count > 1 else ""
        status = (
            f"{document.title}{pages}: {len(session.context.ids):,} of {self.backbone.window:,} tokens, "
            f"{self.backbone.name} on {self.backbone.device.type}."
        )
        return key, gr.HTML(doc=document.text, value=[]), status, None, "", []

    @spoken
    def load_sample(
        self, file: str | None, request: gr.Request, progress: gr.Progress = gr.Progress()
    ) -> tuple[Any, ...]:
        """Read a sample. Returns what `load` does."""
        if not file:
            raise KVEraserError("No sample is picked: choose one from the list.")
        return self.load(str(sample_path(file)), "", request, progress)

    @spoken
    def select(self, key: str | None, event: gr.EventData) -> tuple[list[int], str]:
        """Take a selection from the browser. Returns it, and what erasing it would erase."""
        session = self.store.get(key)
        selection = from_browser(session.document.text, event.start, event.end, event.text)
        (rounded,) = session.round_out([selection])
        return [rounded.characters.start, rounded.characters.end], rounded.text

    @spoken
    def erase(self, key: str | None, selection: list[int] | None) -> tuple[Any, str, None, str]:
        """Erase the selection. Returns the painted document, what was done, and an empty selection."""
        session = self.store.get(key)
        if not selection:
            raise KVEraserError("Nothing is selected: mark a passage of the document with the mouse first.")
        seconds = session.erase([Span(*selection)])
        done = f"Erased in {seconds * 1000:.0f} ms with {session.default_method}. {_erased(session)}"
        return _painted(session), done, None, ""

    @spoken
    def undo(self, key: str | None) -> tuple[Any, str]:
        """Take the last change back. Returns the painted document and what was done."""
        session = self.store.get(key)
        done = "Undone." if session.undo() else "There is nothing to undo."
        return _painted(session), f"{done} {_erased(session)}"

    @spoken
    def restore_all(self, key: str | None) -> tuple[Any, str]:
        """Bring back every passage. Returns the painted document and what was done."""
        session = self.store.get(key)
        session.restore_all()
        return _painted(session), f"Everything is back. {_erased(session)}"

    @spoken
    def ask(self, key: str | None, question: str, methods: list[str]) -> Iterator[list[list[str]]]:
        """Answer with the methods ticked, one after the other; yields the rows of the table so far."""
        session = self.store.get(key)
        if not methods:
            raise KVEraserError("No method is ticked: tick at least one.")
        sampling = Sampling(max_tokens=96)
        if len(methods) > 1:
            rows: list[list[str]] = []
            for answer in session.compare(question, methods, sampling=sampling):
                rows.append(_row(answer))
                yield list(rows)
            return
        text = ""
        for piece in session.stream(question, methods[0], sampling=sampling):
            if isinstance(piece, Answer):
                yield [_row(piece)]
            else:
                text += piece
                yield [[methods[0], text, *[""] * len(FIGURES)]]

    def close(self, request: gr.Request) -> None:
        """Free what a closed tab held."""
        self.store.drop(request.session_hash or "")


def _painted(session: DocumentSession) -> Any:
    spans = [span.characters for span in session.spans]
    return gr.HTML(value=to_browser(session.document.text, spans))


def _erased(session: DocumentSession) -> str:
    spans = session.spans
    if not spans:
        return "Nothing is erased."
    return f"{len(spans)} passage{'s' * (len(spans) > 1)} erased, {sum(span.tokens for span in spans):,} tokens."


def _row(answer: Answer) -> list[str]:
    if answer.error:
        return [answer.method, answer.error, *[""] * len(FIGURES)]
    return [answer.method, answer.text, *figures(answer)]
