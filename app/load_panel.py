"""Loading: a file, pasted text or a sample is read, with progress and a way to cancel."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from app.document_view import shown
from app.samples import Sample, find_sample
from app.store import SessionStore
from app.texts import PageError, say
from app.uploads import read_upload
from app.widgets import cards, conversation, edit_list, painted, status
from app.workspace import ReadingTime, Workspace
from kveraser_core.backbone import Backbone
from kveraser_core.documents import Document, EncryptedDocument, load_document, read_document
from kveraser_core.session import DocumentSession
from kveraser_core.spans import find_text
from kveraser_core.window import DocumentTooLong, fitting_pages, room_for_document

_REFRESH_S = 0.25


@dataclass
class _Reading:
    """A document that is being read for one tab, in a thread of its own."""

    document: Document
    time: ReadingTime = field(default_factory=ReadingTime)
    total: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)
    session: DocumentSession | None = None
    error: BaseException | None = None

    def run(self, backbone: Backbone) -> None:
        try:
            self.session = DocumentSession.load(backbone, self.document, self.report, self.cancelled.is_set)
        except BaseException as error:
            self.error = error

    def report(self, done: int, total: int) -> None:
        self.time.mark(done)
        self.total = total

    def status(self) -> dict[str, Any]:
        done, seconds = self.time.points[-1] if self.time.points else (0, 0.0)
        rate = done / seconds if seconds else 0.0
        left = (self.total - done) / rate if rate else 0.0
        return {
            "state": "reading", "title": self.document.title,
            "done": done, "total": self.total, "rate": rate, "left": left,
        }  # fmt: skip


class Loading:
    """The events of loading. Each tab reads one document at a time."""

    def __init__(self, backbone: Backbone, store: SessionStore) -> None:
        self.backbone, self.store = backbone, store
        self._readings: dict[str, _Reading] = {}
        self._too_long: dict[str, Document] = {}

    def file(self, key: str | None, path: str | None, password: str, request: gr.Request) -> Iterator[dict[str, Any]]:
        """Read an uploaded file."""
        if not path:
            return
        try:
            data, title = read_upload(str(path))
            document = read_document(data, title, password=password or None)
        except EncryptedDocument:
            yield {"password": gr.update(visible=True)}
            raise
        yield from self._read(key, document, request)

    def text(self, key: str | None, text: str, request: gr.Request) -> Iterator[dict[str, Any]]:
        """Read pasted text."""
        if not text.strip():
            raise PageError(say(request, "e_no_text"))
        document = read_document(text.encode("utf-8", "replace"), say(request, "pasted"))
        yield from self._read(key, document, request)

    def sample(self, key: str | None, file: str, request: gr.Request) -> Iterator[dict[str, Any]]:
        """Read a sample."""
        sample = find_sample(file)
        yield from self._read(key, load_document(sample.path), request, sample)

    def pages(
        self, key: str | None, first: float | None, last: float | None, request: gr.Request
    ) -> Iterator[dict[str, Any]]:
        """Read some pages of the document that was too long."""
        document = self._too_long.get(request.session_hash or "")
        if document is None or first is None or last is None:
            raise PageError(say(request, "e_no_pages"))
        yield from self._read(key, document.pages(int(first), int(last)), request)

    def first_page(self, first: float | None, request: gr.Request) -> tuple[Any, str]:
        """The last page that fits with `first`, and a sentence about it."""
        document = self._too_long.get(request.session_hash or "")
        if document is None or not first or not 1 <= first <= document.page_count:
            raise PageError(say(request, "e_no_pages"))
        last = fitting_pages(self.backbone, document, int(first))
        return last, self._about_pages(document, int(first), last, request)

    def cancel(self, request: gr.Request) -> None:
        """Stop what the tab is reading."""
        if reading := self._readings.get(request.session_hash or ""):
            reading.cancelled.set()

    def leave(self, request: gr.Request) -> None:
        """The tab was closed."""
        self.cancel(request)
        self._too_long.pop(request.session_hash or "", None)
        self.store.leave(request.session_hash or "")

    def resume(self, key: str | None, request: gr.Request) -> dict[str, Any]:
        """Show the document with the id that the browser has kept, if it is still there."""
        workspace = self.store.get(key, request.session_hash) if key else None
        if workspace is None:
            return {"status": status(self.backbone, None)}
        return self._all(key or "", workspace, request)

    def _read(
        self, key: str | None, document: Document, request: gr.Request, sample: Sample | None = None
    ) -> Iterator[dict[str, Any]]:
        owner = request.session_hash or ""
        if owner in self._readings:
            raise PageError(say(request, "e_busy"))
        about = status(self.backbone, None)
        reading = self._readings[owner] = _Reading(document)
        thread = threading.Thread(target=reading.run, args=(self.backbone,), daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                yield {"status": about | reading.status()}
                thread.join(_REFRESH_S)
        finally:
            reading.cancelled.set()
            thread.join()
            self._readings.pop(owner, None)
        if reading.session is None:
            yield {"status": status(self.backbone, self.store.find(key))}
            if isinstance(reading.error, DocumentTooLong):
                if document.page_count == 1:
                    raise PageError(self._sentence(document, request, "too_long_text"))
                self._too_long[owner] = document
                last = fitting_pages(self.backbone, document)
                yield {
                    "picker": gr.update(visible=True),
                    "too_long": self._about_pages(document, 1, last, request),
                    "first": gr.update(value=1, maximum=document.page_count),
                    "last": gr.update(value=last, maximum=document.page_count),
                }
            assert reading.error is not None
            raise reading.error
        workspace = Workspace(reading.session, reading.time)
        if sample:
            workspace.tips = [find_text(document.text, passage)[0] for passage in sample.erase]
            workspace.questions = [question["question"] for question in sample.questions]
        self._too_long.pop(owner, None)
        yield self._all(self.store.add(workspace, owner), workspace, request) | {
            "picker": gr.update(visible=False),
            "password": gr.update(visible=False, value=""),
        }

    def _all(self, key: str, workspace: Workspace, request: gr.Request) -> dict[str, Any]:
        view = shown(workspace.session.document) | {"value": painted(workspace)}
        return {
            "key": key,
            "view": gr.HTML(**view),
            "status": status(self.backbone, workspace),
            "edits": edit_list(workspace),
            "conversation": conversation(workspace),
            "cards": cards(request, workspace),
            "open": gr.update(open=False),
        }

    def _about_pages(self, document: Document, first: int, last: int | None, request: gr.Request) -> str:
        if last is None:
            return say(request, "too_long_from").format(first=first, room=f"{room_for_document(self.backbone):,}")
        return self._sentence(document, request, "too_long", first=first, last=last, pages=document.page_count)

    def _sentence(self, document: Document, request: gr.Request, text: str, **pages: int) -> str:
        tokens = len(self.backbone.tokenize(document.text)[0])
        room = room_for_document(self.backbone)
        return say(request, text).format(title=document.title, tokens=f"{tokens:,}", room=f"{room:,}", **pages)
