"""What the page does, for programs: named endpoints for gradio_client, and the same as MCP tools.

A span is given by its text, the passage, or by `start` and `end` in characters (code points) of the document.
"""

from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import Any

import gradio as gr

from app.argument import Argument
from app.endpoints import Endpoint, UploadedFile
from app.events import spoken
from app.export import FORMATS, exported
from app.jobs import Job, Stopped
from app.store import SessionStore
from app.texts import PageError
from app.turns import Turns
from app.uploads import read_upload
from app.work import ANSWER_TOKENS, COMPARED_TOKENS, answer, compare, load, question_of, sampling, time_over
from app.workspace import AskedTurn, Comparison, PrefillTime
from kveraser_core.documents import Document, read_document
from kveraser_core.documents.spans import Span, check_span, find_text
from kveraser_core.methods import METHODS, default_method, usable
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.session import DocumentSession

_TITLE = 200
"""Characters of a title that are kept."""
NOBODY = gr.Request()
"""Stands for the request where Gradio, which gives it, is not there."""
_EXAMPLES: dict[str, Any] = {
    "text": "The toll at the harbour is 30 coins. An old rule said 14 coins.",
    "title": "harbour rules",
    "file": "/tmp/kveraser-uploads-x1y2z3/0a1b2c3d/harbour.pdf",  # noqa: S108
    "password": "",
    "session": "Vb0mZk3pQ1cX7tYhN5wLrD2sGfJ8aKeU",
    "passage": "An old rule said 14 coins.",
    "start": 37,
    "end": 63,
    "question": "What is the toll at the harbour?",
    "method": "local_repair:64",
    "methods": ["full_recompute", "local_repair:64", "none"],
    "max_tokens": 32,
    "form": "md",
}
"""What is shown to programmers as an example of each argument; the ids and paths are the server's to give."""


class Api:
    """The endpoints, over the same store and the same turns as the page."""

    def __init__(self, backbone: Backbone, store: SessionStore, turns: Turns) -> None:
        self.backbone, self.store, self.turns = backbone, store, turns
        methods = (self.load, self.load_file, self.erase, self.undo, self.ask, self.compare, self.export)
        names = usable(backbone)
        counted = " and ".join(f"{name}:K" for name in names if METHODS[name].k)
        about = {
            "methods": f"{', '.join(names)}; {counted} recompute K suffix tokens",
            "default": default_method(backbone),
        }
        self.endpoints = {method.__name__: Endpoint.of(method, _EXAMPLES, about) for method in methods}

    def build(self) -> None:
        """Add the endpoints to the page that is being built."""
        with gr.Row(visible=False):
            for name, endpoint in self.endpoints.items():
                gr.Button().click(
                    spoken(_event(endpoint), markup=False),
                    [Argument(parameter) for parameter in endpoint.parameters],
                    gr.JSON(label=endpoint.returns),
                    api_name=name,
                    api_description=endpoint.description,
                )

    def load_file(self, file: UploadedFile, password: str = "", request: gr.Request = NOBODY) -> dict[str, Any]:
        """Prefill a document from an uploaded file and keep it in memory.

        Args:
            file: the path that POST /gradio_api/upload returned for a document (PDF, Word, HTML, e-mail, text, ...)
            password: of an encrypted PDF, else empty
        Returns:
            the session id, which the other tools want, with the document's title, pages, characters and tokens
        """
        return self._keep(lambda: read_document(*read_upload(file), password=password or None), request)

    def load(self, text: str, title: str = "text", request: gr.Request = NOBODY) -> dict[str, Any]:
        """Prefill a document, given as text, and keep it in memory.

        Args:
            text: the document's text
            title: what to call it
        Returns:
            the session id, which the other tools want, with the document's title, pages, characters and tokens
        """
        return self._keep(lambda: read_document(text.encode("utf-8", "replace"), title[:_TITLE]), request)

    def _keep(self, parse: Callable[[], Document], request: gr.Request) -> dict[str, Any]:
        with Job(self.turns, request) as job:
            document = parse()
            key, workspace = load(job, self.backbone, self.store, document, PrefillTime())
        return {
            "session": key,
            "title": document.title,
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
        request: gr.Request = NOBODY,
    ) -> dict[str, Any]:
        """Make the model forget a passage of a document that it has read.

        Args:
            session: the id that load gave
            passage: text of the passage; every place where it occurs is erased
            start: where the passage begins, in characters, if no text is given
            end: where it ends
            method: an erase method, {default} if empty: {methods}
        Returns:
            what is erased now, after rounding out to whole tokens, and the seconds it took
        """
        with Job(self.turns, request) as job, self.store.using(session) as workspace:
            job.take(workspace)
            kept = workspace.session
            spans = find_text(kept.document.text, passage) if passage else [Span(start, end)]
            for span in spans:
                check_span(span, kept.document.text)
            seconds = kept.erase(spans, method or None)
            return {"erased": _erased(kept), "seconds": seconds}

    def undo(self, session: str, request: gr.Request = NOBODY) -> dict[str, Any]:
        """Take the last change to what is erased back.

        Args:
            session: the id that load gave
        Returns:
            whether there was anything to take back, and what is erased now
        """
        with Job(self.turns, request) as job, self.store.using(session) as workspace:
            job.take(workspace)
            return {"undone": workspace.session.undo(), "erased": _erased(workspace.session)}

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
        return _plain(turn.answer or _cut(turn))

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
        return [_plain(answer) for answer in comparison.answers]

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


def _event(endpoint: Endpoint) -> Callable[..., Any]:
    """What Gradio runs for `endpoint`; the request, for one that takes it, comes last."""

    @wraps(endpoint.call)
    def event(*values: Any) -> Any:
        requests = [value for value in values if isinstance(value, gr.Request)]
        arguments = [value for value in values if not isinstance(value, gr.Request)]
        return endpoint.call(*endpoint.by_position(arguments), *requests)

    return event


def _erased(session: DocumentSession) -> list[dict[str, Any]]:
    return [
        {"start": span.characters.start, "end": span.characters.end, "text": span.text, "tokens": span.tokens}
        for span in session.spans
    ]


def _cut(turn: AskedTurn) -> Answer:
    """What there is of an answer that was cut off: it has no figures."""
    error = time_over() if turn.stopped == "time_over" else Stopped("e_stopped")
    return Answer(turn.method, turn.question, turn.text, finished=False, erase_s=None, error=error)


def _plain(answer: Answer) -> dict[str, Any]:
    plain = {"ran": answer.ran or None, "token_ids": list(answer.token_ids), "ttft_s": answer.ttft_s}
    return asdict(answer) | plain | {"error": answer.failure}
