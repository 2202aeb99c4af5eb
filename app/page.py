"""The page: what stands where, and which event each control starts."""

from collections.abc import Callable, Iterator
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any

import gradio as gr

from app.api import Api
from app.ask_panel import Asking
from app.compare_panel import Comparing
from app.document_view import DocumentView
from app.erase_panel import Erasing
from app.events import MODEL, spoken
from app.export import FORMATS, exported
from app.load_panel import Loading
from app.samples import samples
from app.store import SessionStore
from app.texts import STATIC, PageError, say, translated
from app.widgets import Cards, Conversation, EditList, StatusBar, status
from kveraser_core.backbone import Backbone
from kveraser_core.erasers import METHODS
from kveraser_core.session import REFERENCE

_KEEP_UPLOADS_S = 3600
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
        self.parts: dict[str, Any] = {}
        with gr.Blocks(
            title="KVEraser", analytics_enabled=False, delete_cache=(_KEEP_UPLOADS_S, _KEEP_UPLOADS_S)
        ) as self.blocks:
            Api(backbone, store).build()  # first, so that its endpoints get the plain names
            self._lay_out()
            self._wire()

    def _lay_out(self) -> None:
        _, parts = translated, self.parts
        usual = "kveraser" if self.backbone.eraser else "local_repair"
        parts["key"] = gr.Textbox(visible="hidden", elem_id="key", label="key")
        parts["taken"] = gr.JSON(visible="hidden", label="taken")
        gr.HTML('<header class="masthead"><h1>KVEraser</h1></header>', elem_id="masthead")
        gr.Markdown(_("tagline"), elem_classes="tagline", elem_id="tagline")
        parts["status"] = StatusBar(status(self.backbone, None), elem_id="status")
        parts["cancel"] = gr.Button(_("cancel"), visible=False, elem_id="cancel", size="sm", variant="stop")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=340):
                self._lay_out_loading()
                parts["view"] = DocumentView(elem_id="document")
            with gr.Column(scale=2, min_width=340):
                with gr.Column(elem_classes="panel"):
                    parts["edits"] = EditList({}, elem_id="edits")
                with gr.Column(elem_classes="panel"):
                    parts["conversation"] = Conversation({}, elem_id="conversation")
                parts["question"] = gr.Textbox(
                    label=_("question"), placeholder=_("question_hint"), lines=2, max_lines=5, elem_id="question"
                )
                with gr.Row():
                    parts["ask"] = gr.Button(_("ask"), variant="primary", elem_id="ask", min_width=70)
                    parts["compare"] = gr.Button(_("compare"), elem_id="compare", min_width=70)
                    parts["stop"] = gr.Button(_("stop"), variant="stop", elem_id="stop", min_width=70)
                parts["method"] = gr.Dropdown(
                    list(METHODS), value=usual, label=_("method"), elem_id="method",
                    filterable=False,
                )  # fmt: skip
                parts["about_method"] = gr.Markdown(_(f"m_{usual}"), elem_id="about-method")
                parts["follow_up"] = gr.Checkbox(True, label=_("follow_up"), elem_id="follow-up")
                parts["methods"] = gr.CheckboxGroup(
                    list(METHODS), value=[usual, REFERENCE, "none"], label=_("methods"), elem_id="methods"
                )
                parts["clear"] = gr.Button(_("clear"), size="sm", elem_id="clear")
        with gr.Column(elem_classes="panel"):
            parts["cards"] = Cards({}, elem_id="cards")
        with gr.Row():
            parts["where"] = gr.HTML(visible=False, elem_id="where")
            parts["growth"] = gr.HTML(visible=False, elem_id="growth")
        with gr.Row(elem_id="take-away"):
            for form in FORMATS:
                parts[form] = gr.Button(_(f"download_{form}"), size="sm", elem_id=f"download-{form}", min_width=80)

    def _lay_out_loading(self) -> None:
        _, parts = translated, self.parts
        with gr.Row(elem_id="samples"):
            for sample in samples():
                parts[sample.file] = gr.Button(sample.title, size="sm", min_width=90)
        with gr.Row(equal_height=True):
            parts["file"] = gr.File(label=_("file"), show_label=False, type="filepath", height=120, elem_id="upload")
            with gr.Column(min_width=200):
                parts["text"] = gr.Textbox(label=_("paste"), lines=1, max_lines=3, elem_id="paste")
                parts["read"] = gr.Button(_("read_text"), size="sm", elem_id="read")
        parts["password"] = gr.Textbox(
            label=_("password"), type="password", max_lines=1, visible=False, elem_id="password"
        )
        with gr.Column(visible=False, elem_id="picker") as parts["picker"]:
            parts["too_long"] = gr.Markdown(elem_id="too-long")
            with gr.Row(equal_height=True):
                parts["first"] = gr.Number(1, label=_("first_page"), precision=0, minimum=1, elem_id="first")
                parts["last"] = gr.Number(1, label=_("last_page"), precision=0, minimum=1, elem_id="last")
                parts["read_pages"] = gr.Button(_("read_pages"), elem_id="read-pages")

    def _wire(self) -> None:
        p = self.parts
        loading = Loading(self.backbone, self.store)
        everything = ["key", "view", "status", "edits", "conversation", "cards"]
        dialogue = ["cancel", "password", "picker", "too_long", "first", "last"]
        hidden: dict[str, Any] = {"api_visibility": "private"}
        quiet = hidden | {"show_progress": "hidden"}

        def load(trigger: Any, handler: Callable[..., Any], *inputs: Any) -> None:
            started = trigger(*self._event(handler, ["key", *inputs], everything + dialogue), **quiet, **MODEL)
            started.then(None, p["key"], None, js=_SAVE_KEY, **hidden)

        load(p["file"].upload, loading.file, "file", "password")
        load(p["password"].submit, loading.file, "file", "password")
        load(p["read"].click, loading.text, "text")
        load(p["read_pages"].click, loading.pages, "first", "last")
        for sample in samples():
            load(p[sample.file].click, _bound(loading.sample, sample.file))
        p["first"].submit(spoken(loading.first_page), p["first"], [p["last"], p["too_long"]], **quiet)
        p["cancel"].click(loading.cancel, None, None, queue=False, **hidden)
        self.blocks.load(None, None, p["key"], js=_SAVED_KEY, **hidden).then(
            *self._event(loading.resume, ["key"], everything), **quiet
        )
        self.blocks.unload(loading.leave)

        erasing = Erasing(self.store)
        changed = ["view", "edits", "conversation"]
        for trigger, handler in (
            (p["view"].erase, erasing.erase), (p["edits"].erase, erasing.erase),
            (p["view"].restore, erasing.restore), (p["edits"].restore, erasing.restore),
            (p["edits"].undo, erasing.undo), (p["edits"].redo, erasing.redo),
            (p["edits"].restoreall, erasing.restore_all),
        ):  # fmt: skip
            done = trigger(*self._event(handler, ["key"], changed), **quiet, **MODEL)
            if handler == erasing.erase:
                search = self._event(erasing.similar, ["key", "edits"], ["edits"])
                done.success(*search, concurrency_id="similar", concurrency_limit=1, **quiet)
        p["view"].similar(
            *self._event(erasing.similar_to, ["key", "edits"], ["edits"]),
            concurrency_id="similar", concurrency_limit=1, **quiet,
        )  # fmt: skip
        p["view"].askabout(spoken(erasing.ask_about), p["key"], p["question"], **quiet).then(
            None, None, None, js=_FOCUS, **hidden
        )

        asking = Asking(self.store)
        answered = self._event(asking.ask, ["key", "question", "method", "follow_up"], ["conversation", "question"])
        gr.on([p["ask"].click, p["question"].submit], *answered, **hidden, show_progress="minimal", **MODEL)
        p["stop"].click(asking.stop, p["key"], None, queue=False, **hidden)
        p["clear"].click(*self._event(asking.clear, ["key"], ["conversation"]), **quiet)
        p["conversation"].suggest(_suggested, None, p["question"], **quiet)
        p["method"].select(lambda name: translated(f"m_{name}"), p["method"], p["about_method"], **quiet)

        comparing = Comparing(self.store)
        compared = self._event(comparing.compare, ["key", "question", "methods"], ["cards", "where", "growth"])
        p["compare"].click(*compared, **hidden, show_progress="minimal", **MODEL)
        for form in FORMATS:
            p[form].click(*self._event(_bound(self._take, form), ["key"], ["taken"]), **quiet).success(
                None, p["taken"], None, js=_DOWNLOAD, **hidden
            )

    def _take(self, key: str | None, form: str, request: gr.Request) -> dict[str, Any]:
        workspace = self.store.get(key)
        if not workspace.turns and not workspace.comparisons:
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


STYLE = (STATIC / "page.css").read_text(encoding="utf-8")
