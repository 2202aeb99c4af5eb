"""The page's components and where they stand: opening and edits, the document, asking, the comparison below."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from app.cards import Cards
from app.document_view import DocumentView
from app.method_choice import MethodChoice, method_choice
from app.texts import translated as _
from app.welcome import Welcome, welcome
from app.widgets import Conversation, EditList, Exactness, Segments, StatusBar, status
from kveraser_core.model.backbone import Backbone

ENCODINGS = [
    "utf-8", "utf-16", "windows-1252", "windows-1250", "windows-1251", "windows-1253", "windows-1254", "windows-1255",
    "windows-1256", "windows-1257", "windows-1258", "windows-874", "iso-8859-2", "koi8-r", "koi8-u", "macintosh",
    "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr",
]  # fmt: skip
"""Offered for a file that does not say its encoding."""
Update = dict[Block, Any]
"""What a handler gives: new values of some of the components."""


@dataclass(frozen=True)
class OpeningParts:
    """What opens a document. `picker` offers pages that fit."""

    panel: gr.Accordion
    welcome: Welcome
    add: gr.Checkbox
    file: gr.File
    password: gr.Textbox
    encoding: gr.Dropdown
    text: gr.Textbox
    read: gr.Button
    picker: gr.Column
    too_long: gr.Markdown
    first: gr.Number
    last: gr.Number
    read_pages: gr.Button


@dataclass(frozen=True)
class AskingParts:
    """The conversation, the question, and the erase methods to answer it by: one, or several to compare."""

    conversation: Conversation
    question: gr.Textbox
    ask: gr.Button
    compare: gr.Button
    methods: MethodChoice
    follow_up: gr.Checkbox
    remember: gr.Checkbox


@dataclass(frozen=True)
class Parts:
    """The page's components. `key` holds the document's id and `taken` a file on its way out; neither is seen."""

    key: gr.Textbox
    taken: gr.JSON
    status: StatusBar
    opening: OpeningParts
    view: DocumentView
    edits: EditList
    exactness: Exactness
    segments: Segments
    asking: AskingParts
    cards: Cards


def lay_out(backbone: Backbone) -> Parts:
    """Add the components to the page that is being built."""
    key = gr.Textbox(visible="hidden", elem_id="key", label="key")
    taken = gr.JSON(visible="hidden", label="taken")
    bar = StatusBar(status(backbone, None), elem_id="status")
    with gr.Column(elem_id="desk"):
        with gr.Column(elem_id="opening", elem_classes=["pane"]):
            opening = _opening(backbone)
        with gr.Column(elem_id="reading"):
            view = DocumentView(elem_id="document")
        with gr.Column(elem_id="editing", elem_classes=["pane"]):
            exact = Exactness({}, elem_id="exactness")
            edits = EditList({}, elem_id="edits")
            parts = Segments({}, elem_id="segments")
        with gr.Column(elem_id="asking", elem_classes=["pane"]):
            asking = _asking(backbone)
    with gr.Column(elem_id="comparing", elem_classes=["pane"]):
        cards = Cards({}, elem_id="cards")
    return Parts(key, taken, bar, opening, view, edits, exact, parts, asking, cards)


def _opening(backbone: Backbone) -> OpeningParts:
    with gr.Accordion(_("open"), open=True, elem_id="open") as panel:
        start = Welcome(welcome(backbone), elem_id="samples")
        add = gr.Checkbox(False, label=_("add"), elem_id="add")
        file = gr.File(label=_("file"), show_label=False, type="filepath", height=124, elem_id="upload")
        password = gr.Textbox(label=_("password"), type="password", max_lines=1, visible=False, elem_id="password")
        encoding = gr.Dropdown(
            ENCODINGS, label=_("encoding"), visible=False, allow_custom_value=True, elem_id="encoding"
        )
        text = gr.Textbox(label=_("paste"), lines=2, max_lines=4, elem_id="paste")
        read = gr.Button(_("read_text"), size="sm", elem_id="read")
        with gr.Column(visible=False, elem_id="picker") as picker:
            too_long = gr.Markdown(elem_id="too-long")
            with gr.Row(equal_height=True):
                first = _page_number("first")
                last = _page_number("last")
            read_pages = gr.Button(_("read_pages"), variant="primary", size="sm", elem_id="read-pages")
    return OpeningParts(
        panel, start, add, file, password, encoding, text, read, picker, too_long, first, last, read_pages
    )


def _page_number(which: str) -> gr.Number:
    return gr.Number(1, label=_(f"{which}_page"), precision=0, minimum=1, min_width=80, elem_id=which)


def _asking(backbone: Backbone) -> AskingParts:
    conversation = Conversation({}, elem_id="conversation")
    question = gr.Textbox(
        label=_("question"), placeholder=_("question_hint"), lines=2, max_lines=5, elem_id="question"
    )
    with gr.Row(elem_id="go"):
        ask = gr.Button(_("ask"), variant="primary", elem_id="ask", min_width=70)
        compare = gr.Button(_("compare"), elem_id="compare", min_width=70)
    methods = MethodChoice(method_choice(backbone), elem_id="methods")
    follow_up = gr.Checkbox(True, label=_("follow_up"), elem_id="follow-up")
    remember = gr.Checkbox(False, label=_("remember"), elem_id="remember")
    return AskingParts(conversation, question, ask, compare, methods, follow_up, remember)
