"""The page: which event each control starts."""

import os
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.blocks import Block

from app.api import Api
from app.ask_panel import Asking
from app.blocks import Blocks
from app.compare_panel import Comparing
from app.erase_panel import Erasing
from app.events import spoken
from app.export import FORMATS, exported
from app.layout import Update, lay_out
from app.load_panel import Loading
from app.report_panel import Reporting
from app.store import SessionStore
from app.texts import PageError, say
from app.turns import Turns
from kveraser_core.model.backbone import Backbone

_THREADS = 96
_QUEUED = 256
_POLL_S = 0.02
"""Seconds between two looks for new events. Gradio's own 0.001 takes a tenth of a core where there are none."""
_KEY = "kveraser"
_SAVE_KEY = f"(key) => {{ if (key) sessionStorage.setItem('{_KEY}', key); }}"
_TYPED = ("paste", "question")
"""What is typed there survives a reload: app/static/typing.js keeps it until it was used."""
_SAVED = f"() => {[_KEY, *(f'{_KEY}-{name}' for name in _TYPED)]}.map((name) => sessionStorage.getItem(name) || '')"
_USED = {name: f"() => sessionStorage.removeItem('{_KEY}-{name}')" for name in _TYPED}
_DOWNLOAD = """(file) => {
  if (!file || !file.text) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([file.text], { type: file.mime }));
  link.download = file.name;
  link.click();
  URL.revokeObjectURL(link.href);
}"""


class Page:
    """The page over one backbone, its documents kept in a store."""

    def __init__(self, backbone: Backbone, store: SessionStore) -> None:
        self.backbone, self.store = backbone, store
        turns = Turns()
        api = Api(backbone, store, turns)
        with Blocks(api.endpoints) as self.blocks:
            api.build()  # first, so that its endpoints get the plain names
            self.parts = lay_out(backbone)
            self._wire(turns)
        # Requests wait for their turns in their handlers, of which as many may run as `Turns` lets in, and some more.
        self.blocks.max_threads = _THREADS
        # After each event Gradio goes through what it keeps of the last 10,000 of them: let it keep next to nothing.
        os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
        self.blocks.queue(max_size=_QUEUED, default_concurrency_limit=None, api_open=False)
        self.blocks._queue.sleep_when_free = _POLL_S

    def _wire(self, turns: Turns) -> None:
        p = self.parts
        opening, asked = p.opening, p.asking
        hidden: dict[str, Any] = {"api_visibility": "private", "api_name": False}
        quiet = hidden | {"show_progress": "hidden"}

        loading = Loading(self.backbone, self.store, turns, p)
        edits: list[Block] = [p.view, p.edits, p.exactness, p.segments, asked.conversation, asked.methods]
        everything: list[Block] = [p.key, p.status, p.cards, opening.panel, *edits]
        dialogue: list[Block] = [opening.password, opening.encoding, opening.picker, opening.too_long]
        dialogue += [opening.first, opening.last, opening.read_pages]

        def load(trigger: Callable[..., Any], handler: Callable[..., Any], *inputs: Block) -> Any:
            started = trigger(spoken(handler), [p.key, *inputs], everything + dialogue, **quiet)
            started.then(None, p.key, None, js=_SAVE_KEY, **hidden)
            return started

        load(opening.file.upload, loading.file, opening.file, opening.password, opening.add)
        load(opening.password.submit, loading.file, opening.file, opening.password, opening.add)
        load(opening.encoding.input, loading.file_in, opening.file, opening.password, opening.encoding, opening.add)
        load(opening.read.click, loading.text, opening.text, opening.add).success(
            None, None, None, js=_USED["paste"], **hidden
        )
        load(opening.read_pages.click, loading.pages, opening.first, opening.last)
        load(opening.welcome.sample, loading.sample)
        opening.first.submit(spoken(loading.first_page), opening.first, [opening.last, opening.too_long], **quiet)
        p.status.cancel(loading.cancel, None, None, queue=False, **hidden)
        self.blocks.load(None, None, [p.key, opening.text, asked.question], js=_SAVED, **hidden).then(
            spoken(loading.resume), p.key, everything, **quiet
        )
        self.blocks.unload(loading.leave)

        erasing = Erasing(self.store, turns, p)
        for trigger, handler in (
            (p.view.erase, erasing.erase), (p.edits.erase, erasing.erase),
            (p.view.replace, erasing.replace),
            (p.view.restore, erasing.restore), (p.edits.restore, erasing.restore),
            (p.segments.drop, erasing.drop),
            (p.edits.undo, erasing.undo), (p.edits.redo, erasing.redo),
            (p.edits.restoreall, erasing.restore_all),
        ):  # fmt: skip
            done = trigger(spoken(handler), p.key, edits, **quiet)
            if handler in (erasing.erase, erasing.replace):
                done.success(spoken(erasing.similar), [p.key, p.edits], p.edits, **quiet)
        p.edits.look(spoken(erasing.look), [p.key, p.edits], edits, **quiet)
        p.exactness.poll(spoken(erasing.poll), p.key, [p.exactness, asked.conversation, asked.methods], **quiet)
        p.view.similar(spoken(erasing.similar_to), [p.key, p.edits], p.edits, **quiet)

        reporting = Reporting(self.store, turns, p)
        p.edits.report(spoken(reporting.report), p.key, p.edits, **quiet)
        p.edits.takereport(spoken(reporting.take), p.key, p.taken, **quiet).success(
            None, p.taken, None, js=_DOWNLOAD, **hidden
        )

        asking = Asking(self.store, turns, p)
        answering: list[Block] = [asked.conversation, asked.question, p.view, p.status, p.segments, asked.methods]
        for answered in (
            gr.on(
                [asked.ask.click, asked.question.submit],
                spoken(asking.ask),
                [p.key, asked.question, asked.methods, asked.follow_up, asked.remember],
                answering,
                **quiet,
            ),
            asked.conversation.again(
                spoken(asking.again), [p.key, asked.methods, asked.follow_up], answering, **quiet
            ),
        ):
            answered.success(spoken(asking.evidence), p.key, asked.conversation, **quiet)
            answered.success(None, None, None, js=_USED["question"], **hidden)
        asked.conversation.stop(asking.stop, p.key, None, queue=False, **hidden)
        asked.conversation.clear(spoken(asking.clear), p.key, asked.conversation, **quiet)

        comparing = Comparing(self.store, turns, p)
        asked.compare.click(
            spoken(comparing.compare), [p.key, asked.question, asked.methods], [p.cards, asked.methods], **quiet
        )
        p.cards.stop(comparing.stop, p.key, None, queue=False, **hidden)
        p.cards.take(spoken(self._take), p.key, p.taken, **quiet).success(None, p.taken, None, js=_DOWNLOAD, **hidden)

    def _take(self, key: str | None, request: gr.Request, event: gr.EventData) -> Update:
        workspace = self.store.get(key)
        data = event._data if isinstance(event._data, dict) else {}
        form, erased_text = str(data.get("form", "")), data.get("erased_text") is True
        if form not in FORMATS or not (workspace.turns or workspace.comparisons):
            raise PageError(say(request, "e_nothing"))
        text = exported(workspace, form, erased_text)
        file = {"name": f"kveraser.{form}", "mime": FORMATS[form], "text": text}
        return {self.parts.taken: file}
