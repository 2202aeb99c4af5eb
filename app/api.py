"""What the page does, for programs: named endpoints for gradio_client, and the same as MCP tools.

A span is given by its text, the passage, or by `start` and `end` in characters (code points) of the document.
"""

from typing import Any

import gradio as gr

from app.api_documents import NOBODY, DocumentEndpoints
from app.api_edits import EditEndpoints
from app.argument import Argument
from app.endpoints import Endpoint, event_of
from app.events import spoken
from app.examples import EXAMPLES
from app.export import FORMATS, exported
from app.jobs import Job
from app.results import as_answer, cut_off
from app.store import SessionStore
from app.texts import PageError
from app.turns import Turns
from app.work import (
    ANSWER_TOKENS,
    COMPARED_TOKENS,
    answer,
    compare,
    question_of,
    sampling,
)
from app.workspace import AskedTurn, Comparison
from kveraser_core.methods import METHODS, default_method, usable
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.exactness import check_exact


class Api(DocumentEndpoints, EditEndpoints):
    """The endpoints, over the same store and the same turns as the page."""

    def __init__(self, backbone: Backbone, store: SessionStore, turns: Turns) -> None:
        super().__init__(backbone, store, turns)
        methods = (
            self.load, self.load_file, self.erase, self.replace, self.undo, self.ask, self.compare, self.report,
            self.export, self.similar, self.exactness, self.append, self.segments, self.about,
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

    def ask(
        self,
        session: str,
        question: str,
        method: str = "",
        max_tokens: int = 256,
        exact: bool = False,
        longer: bool = False,
        evidence: bool = False,
        request: gr.Request = NOBODY,
    ) -> dict[str, Any]:
        """Ask about a document, as if the erased passages had never been in it.

        Args:
            session: the id that load gave
            question: what you want to know
            method: an erase method, {default} if empty and full_recompute once that is made: {methods}
            max_tokens: the longest answer, 1,024 at most
            exact: wait until what is erased is recomputed, which makes the answer exact
            longer: let the answer go on after its first sentence
            evidence: look for the passages that the answer may rest on too
        Returns:
            the answer, its timings in seconds, and in `ran` the erase method that really ran: full_recompute, which
            is exact, where the whole suffix would have been recomputed anyway, and none where nothing is erased;
            `exact` says whether it is what full recompute gives; with `evidence`, up to three passages of what is
            not edited, the best first, and the `absent` words of the answer, which stand nowhere in the document
        """
        wanted, asked = sampling(max_tokens, ANSWER_TOKENS, brief=not longer), question_of(question)
        check_exact(method or None, exact)
        with Job(self.turns, request) as job, self.store.using(session) as workspace:
            turn = AskedTurn(asked, method or workspace.session.default_method, named=bool(method), brief=not longer)
            answer(job, workspace, turn, False, wanted, exact)
        if turn.text or turn.answer:
            workspace.turns.append(turn)
        given = as_answer(turn.answer or cut_off(turn))
        if evidence and turn.answer:
            given["evidence"] = workspace.find_evidence(turn).as_json(workspace.session.document)
        return given

    def compare(
        self,
        session: str,
        question: str,
        methods: list[str] | None = None,
        max_tokens: int = 96,
        longer: bool = False,
        request: gr.Request = NOBODY,
    ) -> list[dict[str, Any]]:
        """Answer one question with several erase methods, each from the same cache.

        Args:
            session: the id that load gave
            question: what you want to know
            methods: at most 16 of the erase methods, all of them if left out: {methods}
            max_tokens: the longest answer, 256 at most
            longer: let answers go on after their first sentence
        Returns:
            an answer a method, each as ask gives it, with its agreement with full recompute where that is among them
        """
        wanted = sampling(max_tokens, COMPARED_TOKENS, brief=not longer)
        comparison = Comparison(question_of(question))
        with Job(self.turns, request) as job, self.store.using(session) as workspace:
            compare(job, workspace, comparison, methods or usable(self.backbone), wanted)
        return [as_answer(answer) for answer in comparison.answers]

    def export(self, session: str, form: str = "json", erased_text: bool = False) -> dict[str, str]:
        """Everything that was asked and compared.

        Args:
            session: the id that load gave
            form: md, html, csv or json
            erased_text: also what the erased passages said
        Returns:
            the text of the file, and its MIME type
        """
        if form not in FORMATS:
            raise PageError(f"There is no format {form}: use one of {', '.join(FORMATS)}.")
        return {"text": exported(self.store.get(session), form, erased_text), "mime": FORMATS[form]}

    def about(self) -> dict[str, Any]:
        """What answers here: the model, and what runs it on which device.

        Returns:
            the model, its window in tokens, its eraser, the engine, the dtypes of weights and cache, and the device
        """
        return self.backbone.about
