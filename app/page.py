"""The page: what stands where, and which event each control starts."""

from typing import Any

import gradio as gr

from app.document_view import DocumentView
from app.handlers import HEADERS, Handlers
from app.samples import sample_choices
from app.store import SessionStore
from kveraser_core.backbone import Backbone
from kveraser_core.erasers import METHODS

_KEEP_UPLOADS_S = 3600


def build_page(backbone: Backbone, store: SessionStore) -> gr.Blocks:
    """The page over one backbone, its sessions kept in `store`."""
    handlers = Handlers(backbone, store)
    usual = "kveraser" if backbone.eraser else "local_repair"
    with gr.Blocks(
        title="KVEraser", analytics_enabled=False, delete_cache=(_KEEP_UPLOADS_S, _KEEP_UPLOADS_S)
    ) as page:
        key = gr.State(None)
        selection = gr.State(None)
        gr.Markdown("# KVEraser\nLoad a document, mark what the model must forget, and ask.")
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                with gr.Row():
                    file = gr.File(label="Upload a document", type="filepath", height=110, elem_id="upload")
                    with gr.Column(min_width=220):
                        sample = gr.Dropdown(sample_choices(), value=None, label="Or a sample", elem_id="sample")
                        password = gr.Textbox(label="Password of an encrypted PDF", type="password", max_lines=1)
                status = gr.Textbox(label="Document", interactive=False, max_lines=2, elem_id="status")
                view = DocumentView(elem_id="document")
            with gr.Column(scale=2, min_width=320):
                selected = gr.Textbox(
                    label="Selected passage", interactive=False, lines=3, max_lines=6, elem_id="selected"
                )
                with gr.Row():
                    erase = gr.Button("Erase", variant="primary", elem_id="erase", min_width=80)
                    undo = gr.Button("Undo", elem_id="undo", min_width=80)
                    restore = gr.Button("Restore all", elem_id="restore", min_width=80)
                edits = gr.Textbox(label="Erased", interactive=False, max_lines=2, elem_id="edits")
                question = gr.Textbox(label="Question", lines=2, elem_id="question")
                methods = gr.CheckboxGroup(
                    list(METHODS), value=[usual, "full_recompute", "none"], label="Methods", elem_id="methods"
                )
                ask = gr.Button("Ask", variant="primary", elem_id="ask")
        answers = gr.Dataframe(
            headers=HEADERS, datatype="str", interactive=False, wrap=True, label="Answers", elem_id="answers",
            column_widths=["130px", "40%", *["80px"] * (len(HEADERS) - 2)],
        )  # fmt: skip

        model: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
        loaded = [key, view, status, selection, edits, answers]
        file.upload(handlers.load, [file, password], loaded, api_name="load", **model)
        password.submit(handlers.load, [file, password], loaded, api_visibility="private", **model)
        sample.select(handlers.load_sample, sample, loaded, api_name="load_sample", **model)
        view.span(handlers.select, key, [selection, selected], api_visibility="private", show_progress="hidden")
        erase.click(
            handlers.erase, [key, selection], [view, edits, selection, selected], api_visibility="private", **model
        )
        undo.click(handlers.undo, key, [view, edits], api_name="undo", **model)
        restore.click(handlers.restore_all, key, [view, edits], api_name="restore_all", **model)
        gr.on([ask.click, question.submit], handlers.ask, [key, question, methods], answers, api_name="ask", **model)
        page.unload(handlers.close)
    return page
