"""What stands where on the page: opening and edits, the document in the middle, asking, the comparison below."""

from typing import Any

import gradio as gr

from app.document_view import DocumentView
from app.samples import samples
from app.texts import translated as _
from app.widgets import Cards, Conversation, EditList, StatusBar, status
from kveraser_core.methods import METHODS
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.session import REFERENCE


def lay_out(backbone: Backbone) -> dict[str, Any]:
    """Build the page's parts, and give them by name; each sample's button goes by its file."""
    parts: dict[str, Any] = {
        "key": gr.Textbox(visible="hidden", elem_id="key", label="key"),
        "taken": gr.JSON(visible="hidden", label="taken"),
        "status": StatusBar(status(backbone, None), elem_id="status"),
    }
    with gr.Column(elem_id="desk"):
        with gr.Column(elem_id="opening", elem_classes=["pane"]):
            parts |= _opening()
        with gr.Column(elem_id="reading"):
            parts["view"] = DocumentView(elem_id="document")
        with gr.Column(elem_id="editing", elem_classes=["pane"]):
            parts["edits"] = EditList({}, elem_id="edits")
        with gr.Column(elem_id="asking", elem_classes=["pane"]):
            parts |= _asking("kveraser" if backbone.eraser else "local_repair")
    with gr.Column(elem_id="comparing", elem_classes=["pane"]):
        parts["cards"] = Cards({}, elem_id="cards")
    return parts


def _opening() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Accordion(_("open"), open=True, elem_id="open") as parts["open"]:
        with gr.Column(elem_id="samples"):
            for sample in samples():
                parts[sample.file] = gr.Button(sample.title, size="sm", min_width=90)
        parts["file"] = gr.File(label=_("file"), show_label=False, type="filepath", height=124, elem_id="upload")
        parts["password"] = gr.Textbox(
            label=_("password"), type="password", max_lines=1, visible=False, elem_id="password"
        )
        parts["text"] = gr.Textbox(label=_("paste"), lines=2, max_lines=4, elem_id="paste")
        parts["read"] = gr.Button(_("read_text"), size="sm", elem_id="read")
        with gr.Column(visible=False, elem_id="picker") as parts["picker"]:
            parts["too_long"] = gr.Markdown(elem_id="too-long")
            with gr.Row(equal_height=True):
                parts["first"] = gr.Number(
                    1, label=_("first_page"), precision=0, minimum=1, min_width=80, elem_id="first"
                )
                parts["last"] = gr.Number(
                    1, label=_("last_page"), precision=0, minimum=1, min_width=80, elem_id="last"
                )
            parts["read_pages"] = gr.Button(_("read_pages"), variant="primary", size="sm", elem_id="read-pages")
    return parts


def _asking(usual: str) -> dict[str, Any]:
    parts: dict[str, Any] = {"conversation": Conversation({}, elem_id="conversation")}
    parts["question"] = gr.Textbox(
        label=_("question"), placeholder=_("question_hint"), lines=2, max_lines=5, elem_id="question"
    )
    with gr.Row(elem_id="go"):
        parts["ask"] = gr.Button(_("ask"), variant="primary", elem_id="ask", min_width=70)
        parts["compare"] = gr.Button(_("compare"), elem_id="compare", min_width=70)
    parts["method"] = gr.Dropdown(list(METHODS), value=usual, label=_("method"), elem_id="method", filterable=False)
    parts["about_method"] = gr.Markdown(_(f"m_{usual}"), elem_id="about-method")
    parts["follow_up"] = gr.Checkbox(True, label=_("follow_up"), elem_id="follow-up")
    parts["methods"] = gr.CheckboxGroup(
        list(METHODS), value=[usual, REFERENCE, "none"], label=_("methods"), elem_id="methods"
    )
    return parts
