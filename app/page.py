"""The page: which event each control starts."""

import os
from collections.abc import Callable, Iterator
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any

import gradio as gr

from app.api import Api
from app.ask_panel import Asking
from app.blocks import Blocks
from app.compare_panel import Comparing
from app.erase_panel import Erasing
from app.events import spoken
from app.export import FORMATS, exported
from app.layout import lay_out
from app.load_panel import Loading
from app.samples import samples
from app.store import SessionStore
from app.texts import PageError, say, translated
from app.turns import Turns
from kveraser_core.model.backbone import Backbone

_THREADS = 96
_QUEUED = 256
_KEY = "kveraser"
_SAVE_KEY = f"(key) => {{ if (key) sessionStorage.setItem('{_KEY}', key); }}"
_SAVED_KEY = f"() => [sessionStorage.getItem('{_KEY}') || '']"
_FOCUS = """() => {
  const box = document.querySelector('#question textarea');
  box.focus();
  box.setSelectionRange(box.value.length, box.value.length);
}"""
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

    def _wire(self, turns: Turns) -> None:
        p = self.parts
        loading = Loading(self.backbone, self.store, turns)
        everything = ["key", "view", "status", "edits", "conversation", "cards", "open"]
        dialogue = ["password", "picker", "too_long", "first", "last"]
        hidden: dict[str, Any] = {"api_visibility": "private", "api_name": False}
        quiet = hidden | {"show_progress": "hidden"}

        def load(trigger: Any, handler: Callable[..., Any], *inputs: Any) -> None:
            event = self._event(handler, ["key", *inputs], everything + dialogue)
            started = trigger(*event, **quiet)
            started.then(None, p["key"], None, js=_SAVE_KEY, **hidden)

        load(p["file"].upload, loading.file, "file", "password")
        load(p["password"].submit, loading.file, "file", "password")
        load(p["read"].click, loading.text, "text")
        load(p["read_pages"].click, loading.pages, "first", "last")
        for sample in samples():
            load(p[sample.file].click, _bound(loading.sample, sample.file))
        p["first"].submit(spoken(loading.first_page), p["first"], [p["last"], p["too_long"]], **quiet)
        p["status"].cancel(loading.cancel, None, None, queue=False, **hidden)
        self.blocks.load(None, None, p["key"], js=_SAVED_KEY, **hidden).then(
            *self._event(loading.resume, ["key"], everything), **quiet
        )
        self.blocks.unload(loading.leave)

        erasing = Erasing(self.store, turns)
        changed = ["view", "edits", "conversation"]
        for trigger, handler in (
            (p["view"].erase, erasing.erase), (p["edits"].erase, erasing.erase),
            (p["view"].restore, erasing.restore), (p["edits"].restore, erasing.restore),
            (p["edits"].undo, erasing.undo), (p["edits"].redo, erasing.redo),
            (p["edits"].restoreall, erasing.restore_all),
        ):  # fmt: skip
            done = trigger(*self._event(handler, ["key"], changed), **quiet)
            if handler == erasing.erase:
                search = self._event(erasing.similar, ["key", "edits"], ["edits"])
                done.success(*search, **quiet)
        p["view"].similar(*self._event(erasing.similar_to, ["key", "edits"], ["edits"]), **quiet)
        p["view"].askabout(spoken(erasing.ask_about), p["key"], p["question"], **quiet).then(
            None, None, None, js=_FOCUS, **hidden
        )

        asking = Asking(self.store, turns)
        answered = self._event(asking.ask, ["key", "question", "method", "follow_up"], ["conversation", "question"])
        gr.on([p["ask"].click, p["question"].submit], *answered, **quiet)
        p["conversation"].stop(asking.stop, p["key"], None, queue=False, **hidden)
        p["conversation"].clear(*self._event(asking.clear, ["key"], ["conversation"]), **quiet)
        p["conversation"].suggest(_suggested, None, p["question"], **quiet)
        p["method"].select(lambda name: translated(f"m_{name}"), p["method"], p["about_method"], **quiet)

        comparing = Comparing(self.store, turns)
        compared = self._event(comparing.compare, ["key", "question", "methods"], ["cards"])
        p["compare"].click(*compared, **quiet)
        p["cards"].stop(comparing.stop, p["key"], None, queue=False, **hidden)
        p["cards"].take(*self._event(self._take, ["key"], ["taken"]), **quiet).success(
            None, p["taken"], None, js=_DOWNLOAD, **hidden
        )

    def _take(self, key: str | None, request: gr.Request, event: gr.EventData) -> dict[str, Any]:
        workspace = self.store.get(key)
        form = str((event._data or {}).get("form", ""))
        if form not in FORMATS or not (workspace.turns or workspace.comparisons):
            raise PageError(say(request, "e_nothing"))
        return {"taken": {"name": f"kveraser.{form}", "mime": FORMATS[form], "text": exported(workspace, form)}}

    def _event(self, handler: Callable[..., Any], inputs: list[str], outputs: list[str]) -> tuple[Any, Any, Any]:
        """`handler`, which names its outputs, with the components that it reads and writes."""
        parts = self.parts

        def placed(update: dict[str, Any] | None) -> dict[Any, Any]:
            return {parts[name]: value for name, value in (update or {}).items()}

        if isgeneratorfunction(handler):

            @wraps(handler)
            def stream(*arguments: Any) -> Iterator[dict[Any, Any]]:
                for update in handler(*arguments):
                    yield placed(update)

            return spoken(stream), [parts[name] for name in inputs], [parts[name] for name in outputs]

        @wraps(handler)
        def call(*arguments: Any) -> dict[Any, Any]:
            return placed(handler(*arguments))

        return spoken(call), [parts[name] for name in inputs], [parts[name] for name in outputs]


def _bound(handler: Callable[..., Any], given: str) -> Callable[..., Any]:
    """`handler` with its second argument given."""
    if isgeneratorfunction(handler):

        def stream(key: str | None, request: gr.Request) -> Iterator[Any]:
            yield from handler(key, given, request)

        return stream

    def call(key: str | None, request: gr.Request) -> Any:
        return handler(key, given, request)

    return call


def _suggested(event: gr.EventData) -> str:
    return str((event._data or {}).get("text", ""))
