"""Loading: a file, pasted text or a sample is prefilled, with progress shown, and can be cancelled."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from app.cards import cards
from app.document_view import shown
from app.jobs import Job, Watched
from app.layout import Parts, Update
from app.method_choice import method_choice
from app.samples import Sample, samples
from app.shelf import Shelf
from app.store import SessionStore
from app.texts import PageError, say
from app.turns import Turns
from app.uploads import read_upload
from app.widgets import conversation, edit_list, exactness, painted, segments, status
from app.work import append, load
from app.workspace import PrefillTime, Workspace
from kveraser_core.documents import Document, EncryptedDocument, load_document, read_document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.window import DocumentTooLong, fitting_pages, fitting_part, room_for_document

_REFRESH_S = 0.25


class Loading:
    """The events of loading. Each tab loads one document at a time."""

    def __init__(self, backbone: Backbone, store: SessionStore, turns: Turns, parts: Parts) -> None:
        self.backbone, self.store, self.turns, self.parts = backbone, store, turns, parts
        self._jobs: dict[str, Job] = {}
        self._too_long = Shelf()

    def file(
        self, key: str | None, path: str | None, password: str, add: bool, request: gr.Request
    ) -> Iterator[Update]:
        """Load an uploaded file, or `add` it to the document that is open."""
        yield from self.file_in(key, path, password, "", add, request)

    def file_in(
        self, key: str | None, path: str | None, password: str, encoding: str, add: bool, request: gr.Request
    ) -> Iterator[Update]:
        """Load it in an encoding that the user chose."""
        if not path:
            return

        def parse() -> Document:
            return read_document(*read_upload(str(path)), password=password or None, encoding=encoding or None)

        try:
            yield from self._load(key, parse, request, encoding=encoding, add=add)
        except EncryptedDocument:
            yield {self.parts.opening.password: gr.update(visible=True)}
            raise

    def text(self, key: str | None, text: str, add: bool, request: gr.Request) -> Iterator[Update]:
        """Load pasted text, or `add` it to the document that is open."""
        if not text.strip():
            raise PageError(say(request, "e_no_text"))
        title = say(request, "pasted")
        yield from self._load(key, lambda: read_document(text.encode("utf-8", "replace"), title), request, add=add)

    def sample(self, key: str | None, request: gr.Request, event: gr.EventData) -> Iterator[Update]:
        """Load one of the samples."""
        file = (event._data or {}).get("file")
        sample = next((sample for sample in samples() if sample.file == file), None)
        if sample is None:
            raise PageError(say(request, "e_no_sample"))
        yield from self._load(key, lambda: load_document(sample.path), request, sample)

    def pages(
        self, key: str | None, first: float | None, last: float | None, request: gr.Request
    ) -> Iterator[Update]:
        """Load some pages of the document that was too long."""
        if first is None or last is None or not (math.isfinite(first) and math.isfinite(last)):
            raise PageError(say(request, "e_no_pages"))
        document = self._too_long.get(request.session_hash or "")
        yield from self._load(key, lambda: document.pages(int(first), int(last)), request)

    def first_page(self, first: float | None, request: gr.Request) -> tuple[Any, str]:
        """The last page that fits with `first`, and a sentence about it."""
        document = self._too_long.get(request.session_hash or "")
        if not first or not 1 <= first <= document.page_count:
            raise PageError(say(request, "e_no_pages"))
        with Job(self.turns, request) as job:
            job.take()
            last = fitting_pages(self.backbone, document, int(first))
            return last, self._about_pages(document, int(first), last, request)

    def cancel(self, request: gr.Request) -> None:
        """Stop what the tab is loading."""
        if job := self._jobs.get(request.session_hash or ""):
            job.cancelled.set()

    def leave(self, request: gr.Request) -> None:
        """The tab was closed."""
        self.cancel(request)
        self._too_long.drop(request.session_hash or "")
        self.store.leave(request.session_hash or "")

    def resume(self, key: str | None, request: gr.Request) -> Update:
        """Show the document with the id that the browser has kept, if it is still there."""
        workspace = self.store.get(key, request.session_hash) if key else None
        if workspace is None:
            return {self.parts.status: status(self.backbone, None)}
        return self._all(key or "", workspace, request)

    def _load(
        self,
        key: str | None,
        parse: Callable[[], Document],
        request: gr.Request,
        sample: Sample | None = None,
        encoding: str = "",
        add: bool = False,
    ) -> Iterator[Update]:
        owner = request.session_hash or ""
        loading = _Loading()

        def work(job: Job) -> None:
            if self._jobs.setdefault(owner, job) is not job:
                raise PageError(say(request, "e_busy"))
            try:
                loading.document = document = parse()
                if key and add and self.store.find(key):
                    with self.store.using(key, owner) as workspace:
                        job.take(workspace)
                        append(job, workspace, document.text, "document", document.title)
                        loading.kept = key, workspace
                else:
                    loading.kept = load(job, self.backbone, self.store, document, loading.time, owner)
            except DocumentTooLong:
                loading.picker = self._picker(document, job, owner, request)
                raise
            finally:
                self._jobs.pop(owner, None)

        about = status(self.backbone, None)
        watched = Watched(self.turns, request, work)
        try:
            for _ in watched.moments(_REFRESH_S):
                yield {self.parts.status: about | loading.status(watched.job.place)} | self._preview(key, loading)
        except Exception:
            yield self._taken_back(key, loading) | loading.picker
            raise
        assert loading.document
        assert loading.kept
        new, workspace = loading.kept
        if sample:
            workspace.tips = [find_text(loading.document.text, passage)[0] for passage in sample.erase]
            workspace.questions = [question["question"] for question in sample.questions]
        self._too_long.drop(owner)
        unsure = encoding or loading.document.guessed_encoding
        yield self._all(new, workspace, request) | {
            self.parts.opening.picker: gr.update(visible=False),
            self.parts.opening.password: gr.update(visible=False, value=""),
            self.parts.opening.encoding: gr.update(visible=bool(unsure), value=unsure),
            self.parts.opening.panel: gr.update(open=bool(unsure)),
        }

    def _preview(self, key: str | None, loading: "_Loading") -> Update:
        """The text, once its prefill has begun, where no other document is open: it can be read, not yet edited."""
        if not loading.document or not loading.time.points or loading.previewed or self.store.find(key):
            return {}
        loading.previewed = True
        view = shown(loading.document)
        return {self.parts.view: gr.HTML(**view | {"value": view["value"] | {"reading": True}})}

    def _taken_back(self, key: str | None, loading: "_Loading") -> Update:
        """The page as it was before."""
        update: Update = {self.parts.status: status(self.backbone, self.store.find(key))}
        if loading.previewed:
            update[self.parts.view] = gr.HTML(**shown(Document("", "")))
        return update

    def _picker(self, document: Document, job: Job, owner: str, request: gr.Request) -> Update:
        """What offers the pages of a document that fit, or its first part where it has no pages."""
        opening, paged = self.parts.opening, document.page_count > 1
        if paged:
            last = fitting_pages(self.backbone, document)
            about = self._about_pages(document, 1, last, request)
        else:
            last, part = 1, fitting_part(self.backbone, document)
            share = round(100 * len(part.text) / len(document.text))
            about = self._sentence(document, request, "too_long_part", share=share)
            document = part
        self._too_long.put(owner, job.client, document)
        return {
            opening.picker: gr.update(visible=True),
            opening.too_long: about,
            opening.first: gr.update(value=1, maximum=document.page_count, visible=paged),
            opening.last: gr.update(value=last, maximum=document.page_count, visible=paged),
            opening.read_pages: say(request, "read_pages" if paged else "read_part"),
        }

    def _all(self, key: str, workspace: Workspace, request: gr.Request) -> Update:
        view = shown(workspace.session.document) | {"value": painted(workspace)}
        parts = self.parts
        return {
            parts.key: key,
            parts.view: gr.HTML(**view),
            parts.status: status(self.backbone, workspace),
            parts.edits: edit_list(workspace),
            parts.exactness: exactness(workspace),
            parts.segments: segments(workspace),
            parts.asking.conversation: conversation(workspace),
            parts.asking.methods: method_choice(self.backbone, workspace),
            parts.cards: cards(request, workspace),
            parts.opening.panel: gr.update(open=False),
        }

    def _about_pages(self, document: Document, first: int, last: int | None, request: gr.Request) -> str:
        if last is None:
            return say(request, "too_long_from").format(first=first, room=f"{room_for_document(self.backbone):,}")
        return self._sentence(document, request, "too_long", first=first, last=last, pages=document.page_count)

    def _sentence(self, document: Document, request: gr.Request, text: str, **pages: int) -> str:
        tokens = len(self.backbone.tokenize(document.text)[0])
        room = room_for_document(self.backbone)
        return say(request, text).format(title=document.title, tokens=f"{tokens:,}", room=f"{room:,}", **pages)


@dataclass
class _Loading:
    """How the loading of one document gets on, and what came of it."""

    document: Document | None = None
    time: PrefillTime = field(default_factory=PrefillTime)
    kept: tuple[str, Workspace] | None = None
    picker: Update = field(default_factory=dict)
    previewed: bool = False

    def status(self, place: tuple[int, int] | None) -> dict[str, Any]:
        done, seconds = self.time.points[-1] if self.time.points else (0, 0.0)
        rate = done / seconds if seconds else 0.0
        return {
            "state": "reading", "title": self.document.title if self.document else "", "place": place,
            "done": done, "shown": self.previewed, "total": self.time.total, "rate": rate,
            "left": (self.time.total - done) / rate if rate else 0.0,
        }  # fmt: skip
