"""What the page does, for programs: named endpoints for gradio_client, and the same as MCP tools.

A span is given by its text, the passage, or by `start` and `end` in characters (code points) of the document.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from app.argument import Argument
from app.endpoints import Endpoint, UploadedFile, event_of
from app.events import spoken
from app.examples import EXAMPLES
from app.export import FORMATS, exported
from app.jobs import Job
from app.results import as_answer, as_erased, as_similar, cut_off
from app.store import SessionStore
from app.texts import PageError
from app.turns import Turns
from app.uploads import read_upload
from app.work import (
    ANSWER_TOKENS,
    COMPARED_TOKENS,
    answer,
    compare,
    find_similar,
    load,
    question_of,
    sampling,
)
from app.workspace import AskedTurn, Comparison, PrefillTime
from kveraser_core.documents import Document, read_document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.spans import Span, check_span
from kveraser_core.methods import METHODS, default_method, usable
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.passages import FoundPassage

_TITLE = 200
"""Characters of a title that are kept."""
NOBODY = gr.Request()
"""Stands for the request where Gradio, which gives it, is not there."""


class Api:
    """The endpoints, over the same store and the same turns as the page."""

    def __init__(self, backbone: Backbone, store: SessionStore, turns: Turns) -> None:
        self.backbone, self.store, self.turns = backbone, store, turns
        self._searches = Turns()  # beside the model
        methods = (
            self.load, self.load_file, self.erase, self.undo, self.ask, self.compare, self.export, self.similar,
            self.about,
        )  # fmt: skip
        names = usable(backbone)
        counted = " and ".join(f"{name}:K" for name in names if METHODS[name].k)
        about = {
            "methods": f"{', '.join(names)}; {counted} recompute K suffix tokens",
            "default": default_method(backbone),
        }
        self.endpoints = {method.__name__: Endpoint.of(method, EXAMPLES, about) for method in methods}

    def build(self) -> None:
        """Add the endpoints to the page that is being built."""
        with gr.Row(visible=False):
            for name, endpoint in self.endpoints.items():
                gr.Button().click(
                    spoken(event_of(endpoint), markup=False),
                    [Argument(parameter) for parameter in endpoint.parameters],
                    gr.JSON(label=endpoint.returns),
                    api_name=name,
                    api_description=endpoint.description,
                )

    def load_file(
        self, file: UploadedFile, password: str = "", encoding: str = "", request: gr.Request = NOBODY
    ) -> dict[str, Any]:
        """Prefill a document from an uploaded file and keep it in memory.

        Args:
            file: the path that POST /gradio_api/upload returned for a document (PDF, Word, HTML, e-mail, text, ...)
            password: of an encrypted PDF, else empty
            encoding: of a text or HTML file, if it is not what it is taken for, else empty
        Returns:
            the session id, which the other tools want, with the document's title, pages, characters and tokens, and a
            sentence for each part of the file that was not read
        """
        return self._keep(
            lambda: read_document(*read_upload(file), password=password or None, encoding=encoding or None), request
        )

    def load(self, text: str, title: str = "text", request: gr.Request = NOBODY) -> dict[str, Any]:
        """Prefill a document, given as text, and keep it in memory.

        Args:
            text: the document's text
            title: what to call it
        Returns:
            the session id, which the other tools want, with the document's title, pages, characters and tokens, and a
            sentence for each part of the file that was not read
        """
        return self._keep(lambda: read_document(text.encode("utf-8", "replace"), title[:_TITLE]), request)

    def _keep(self, parse: Callable[[], Document], request: gr.Request) -> dict[str, Any]:
        with Job(self.turns, request) as job:
            document = parse()
            key, workspace = load(job, self.backbone, self.store, document, PrefillTime())
        return {
            "session": key,
            "title": document.title,
            "warnings": document.warnings,
            "pages": document.page_count,
            "characters": len(document.text),
            "tokens": workspace.session.tokens,
        }

    def erase(
        self,
        session: str,
        passage: str = "",
        start: int = 0,
        end: int = 0,
        method: str = "",
        whole_words: bool = False,
        request: gr.Request = NOBODY,
    ) -> dict[str, Any]:
        """Make the model forget a passage of a document that it has read.

        Args:
            session: the id that load gave
            passage: text of the passage; every place where it occurs, whatever its case or quotes, is erased
            start: where the passage begins, in characters, if no text is given
            end: where it ends
            method: an erase method, {default} if empty: {methods}
            whole_words: leave the passage where it is only a part of a longer word or number
        Returns:
            what is erased now, after rounding out to whole tokens, the seconds it took, and for a text how often it
            was found, what was erased besides, and passages close to it that were not erased
        """
        with Job(self.turns, request) as job, self.store.using(session) as workspace:
            job.take(workspace)
            kept = workspace.session
            found = FoundPassage.of(kept.document.text, passage, whole_words) if passage else None
            spans = found.spans if found else _spans(kept.document, passage, start, end)
            seconds = kept.erase(spans, method or None)
            said = {"erased": as_erased(kept), "seconds": seconds}
            return said | {"passage": found.as_json(kept)} if found else said

    def undo(self, session: str, request: gr.Request = NOBODY) -> dict[str, Any]:
        """Take the last change to what is erased back.

        Args:
            session: the id that load gave
        Returns:
            whether there was anything to take back, and what is erased now
        """
        with Job(self.turns, request) as job, self.store.using(session) as workspace:
            job.take(workspace)
            return {"undone": workspace.session.undo(), "erased": as_erased(workspace.session)}

    def similar(
        self, session: str, passage: str = "", start: int = 0, end: int = 0, request: gr.Request = NOBODY
    ) -> list[dict[str, Any]]:
        """Find passages about what a passage is about, and about what is erased, that are not erased.

        Args:
            session: the id that load gave
            passage: text of the passage; if neither it nor `end` is given, only of what is erased
            start: where the passage begins, in characters, if no text is given
            end: where it ends
        Returns:
            passages, literal repeats first, then by score; `added` are the words in which one differs from the
            passage it is most like, and `missing` those which it lacks
        """
        with Job(self._searches, request) as job, self.store.using(session) as workspace:
            document = workspace.session.document
            asked = _spans(document, passage, start, end) if passage or end else []
            found = find_similar(job, workspace, [*asked, *workspace.edits])
        return [as_similar(document, similar) for similar in found]

    def ask(
        self,
        session: str,
        question: str,
        method: str = "",
        max_tokens: int = 256,
        request: gr.Request = NOBODY,
    ) -> dict[str, Any]:
        """Ask about a document, as if the erased passages had never been in it.

        Args:
            session: the id that load gave
            question: what you want to know
            method: an erase method, {default} if empty: {methods}
            max_tokens: the longest answer, 1,024 at most
        Returns:
            the answer, its timings in seconds, and in `ran` the erase method that really ran: full_recompute, which
            is exact, where the whole suffix would have been recomputed anyway, and none where nothing is erased
        """
        wanted, asked = sampling(max_tokens, ANSWER_TOKENS), question_of(question)
        with Job(self.turns, request) as job, self.store.using(session) as workspace:
            turn = AskedTurn(asked, method or workspace.session.default_method)
            answer(job, workspace, turn, False, wanted)
        if turn.text or turn.answer:
            workspace.turns.append(turn)
        return as_answer(turn.answer or cut_off(turn))

    def compare(
        self,
        session: str,
        question: str,
        methods: list[str] | None = None,
        max_tokens: int = 96,
        request: gr.Request = NOBODY,
    ) -> list[dict[str, Any]]:
        """Answer one question with several erase methods, each from the same cache.

        Args:
            session: the id that load gave
            question: what you want to know
            methods: at most 16 of the erase methods, all of them if left out: {methods}
            max_tokens: the longest answer, 256 at most
        Returns:
            an answer a method, each as ask gives it, with its agreement with full recompute where that is among them
        """
        wanted, comparison = sampling(max_tokens, COMPARED_TOKENS), Comparison(question_of(question))
        with Job(self.turns, request) as job, self.store.using(session) as workspace:
            compare(job, workspace, comparison, methods or usable(self.backbone), wanted)
        return [as_answer(answer) for answer in comparison.answers]

    def export(self, session: str, form: str = "json") -> dict[str, str]:
        """Everything that was asked and compared.

        Args:
            session: the id that load gave
            form: md, csv or json
        Returns:
            the text of the file, and its MIME type
        """
        if form not in FORMATS:
            raise PageError(f"There is no format {form}: use one of {', '.join(FORMATS)}.")
        return {"text": exported(self.store.get(session), form), "mime": FORMATS[form]}

    def about(self) -> dict[str, Any]:
        """What answers here: the model, and what runs it on which device.

        Returns:
            the model, its window in tokens, its eraser, the engine, the dtypes of weights and cache, and the device
        """
        return self.backbone.about


def _spans(document: Document, passage: str, start: int, end: int) -> list[Span]:
    """Every place of `passage`, or else the range. Raises `SpanError`."""
    spans = find_text(document.text, passage) if passage else [Span(start, end)]
    for span in spans:
        check_span(span, document.text)
    return spans
