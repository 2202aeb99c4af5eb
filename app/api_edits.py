"""The endpoints that edit a document and say what is left of what was edited."""

from typing import Any

import gradio as gr

from app.api_documents import NOBODY
from app.jobs import Job
from app.results import as_erased, as_exactness, as_similar
from app.search import find_similar
from app.store import SessionStore
from app.turns import Turns
from app.work import new_text_of, question_of, report
from kveraser_core.documents import Document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.spans import Span, check_span
from kveraser_core.sessions.passages import FoundPassage

_SEARCHES = Turns()
"""Searches take turns beside the model."""


class EditEndpoints:
    """Endpoints over a store, whose requests take their turns at the model."""

    store: SessionStore
    turns: Turns

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
            was found, what was erased besides, and passages close to it that were not erased; and the exactness
        """
        return self.replace(session, "", passage, start, end, method, whole_words, request)

    def replace(
        self,
        session: str,
        new_text: str,
        passage: str = "",
        start: int = 0,
        end: int = 0,
        method: str = "",
        whole_words: bool = False,
        request: gr.Request = NOBODY,
    ) -> dict[str, Any]:
        """Put new text in the place of a passage of a document, as if the document had always said that.

        Args:
            session: the id that load gave
            new_text: what takes the passage's place; empty to erase it
            passage: text of the passage; every place where it occurs, whatever its case or quotes, is replaced
            start: where the passage begins, in characters, if no text is given
            end: where it ends
            method: an erase method, {default} if empty: {methods}
            whole_words: leave the passage where it is only a part of a longer word or number
        Returns:
            what is erased and replaced now, after rounding out to whole tokens, the seconds it took, and for a text
            how often it was found, and passages close to it that were not replaced; and the exactness
        """
        new = new_text_of(new_text)
        with Job(self.turns, request) as job, self.store.using(session) as workspace:
            job.take(workspace)
            kept = workspace.session
            found = FoundPassage.of(kept.document.text, passage, whole_words, new) if passage else None
            spans = found.spans if found else _spans(kept.document, passage, start, end)
            seconds = kept.replace(spans, new, method or None)
            said = {"erased": as_erased(kept), "seconds": seconds} | as_exactness(kept)
            return said | {"passage": found.as_json(kept)} if found else said

    def undo(self, session: str, request: gr.Request = NOBODY) -> dict[str, Any]:
        """Take the last change to what is erased back.

        Args:
            session: the id that load gave
        Returns:
            whether there was anything to take back, what is erased now, and the exactness
        """
        with Job(self.turns, request) as job, self.store.using(session) as workspace:
            job.take(workspace)
            undone = workspace.session.undo()
            return {"undone": undone, "erased": as_erased(workspace.session)} | as_exactness(workspace.session)

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
        with Job(_SEARCHES, request) as job, self.store.using(session) as workspace:
            document = workspace.session.document
            asked = _spans(document, passage, start, end) if passage or end else []
            found = find_similar(job, workspace, [*asked, *workspace.edited])
        return [as_similar(document, similar) for similar in found]

    def report(
        self, session: str, questions: list[str] | None = None, method: str = "", request: gr.Request = NOBODY
    ) -> dict[str, Any]:
        """Measure what is left of the erased and replaced passages of a document.

        Args:
            session: the id that load gave
            questions: at most 8 questions to measure by, besides those that are made from the passages
            method: an erase method, {default} if empty: {methods}
        Returns:
            a verdict, exact, approximate or present, with its figures, for all passages and for each, where else one
            is said, and what was measured: log-probabilities and KL in nats a token, answers, a control passage
        """
        asked = [question_of(question) for question in (questions or [])[:8]]
        with Job(self.turns, request) as job, self.store.using(session) as workspace:
            return report(job, workspace, asked, method or None).as_json()


def _spans(document: Document, passage: str, start: int, end: int) -> list[Span]:
    """Every place of `passage`, or else the range. Raises `SpanError`."""
    spans = find_text(document.text, passage) if passage else [Span(start, end)]
    for span in spans:
        check_span(span, document.text)
    return spans
