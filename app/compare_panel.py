"""Comparing: one question, several methods, a card each as they finish."""

from collections.abc import Iterator

import gradio as gr

from app.cards import cards
from app.jobs import Job, Watched
from app.layout import Parts, Update
from app.method_choice import Chosen, method_choice
from app.store import SessionStore
from app.texts import PageError, say
from app.turns import Turns
from app.work import compare, question_of, sampling
from app.workspace import Comparison
from kveraser_core.errors import KVEraserError
from kveraser_core.methods import ordered

MAX_TOKENS = 96
_REFRESH_S = 0.1


class Comparing:
    """The events of comparing."""

    def __init__(self, store: SessionStore, turns: Turns, parts: Parts) -> None:
        self.store, self.turns, self.parts = store, turns, parts

    def compare(self, key: str | None, question: str, chosen: Chosen, request: gr.Request) -> Iterator[Update]:
        """Answer with each method, full recompute last: the question, or the last one asked where it is empty."""
        owner = request.session_hash if request else None
        workspace = self.store.get(key, owner)
        if not question.strip() and workspace.turns:
            question = workspace.turns[-1].question
        if not question.strip():
            raise PageError(say(request, "e_no_question"))
        if not chosen.compare:
            raise PageError(say(request, "e_no_methods"))
        comparison = Comparison(question_of(question), workspace.edits)
        wanted, order = sampling(MAX_TOKENS, MAX_TOKENS), ordered(chosen.compare)

        def work(job: Job) -> None:
            with self.store.using(key):
                compare(job, workspace, comparison, order, wanted)

        watched = Watched(self.turns, request, work)
        seen = None
        try:
            for _ in watched.moments(_REFRESH_S):
                now = tuple(comparison.answers), watched.job.place
                if seen != now:
                    seen = now
                    coming, place = order[len(comparison.answers) :], watched.job.place
                    yield {self.parts.cards: cards(request, workspace, comparison, coming, place)}
        except KVEraserError:
            yield {self.parts.cards: cards(request, workspace)}
            raise
        yield {
            self.parts.cards: cards(request, workspace),
            self.parts.asking.methods: method_choice(workspace.session.backbone, workspace),
        }

    def stop(self, key: str | None, request: gr.Request) -> None:
        """Stop the comparison after the method that answers now."""
        if workspace := self.store.find(key):
            for stop in list(workspace.comparing):
                stop.set()
