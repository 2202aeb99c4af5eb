"""Asking: the answer streams into the conversation."""

from collections.abc import Iterator

import gradio as gr

from app.document_view import shown
from app.jobs import Job, Watched
from app.layout import Parts, Update
from app.method_choice import Chosen, method_choice
from app.store import SessionStore
from app.texts import PageError, say
from app.turns import Turns
from app.widgets import conversation, is_surpassed, painted, segments, status
from app.work import answer, question_of, remember, sampling
from app.workspace import AskedTurn, Workspace
from kveraser_core.errors import KVEraserError

MAX_TOKENS = 256
_REFRESH_S = 0.1


class Asking:
    """The events of asking."""

    def __init__(self, store: SessionStore, turns: Turns, parts: Parts) -> None:
        self.store, self.turns, self.page, self.parts = store, turns, parts, parts.asking

    def ask(
        self, key: str | None, question: str, chosen: Chosen, follow_up: bool, keep: bool, request: gr.Request
    ) -> Iterator[Update]:
        """Answer a question, streaming; the question box is emptied once the answer begins.

        With `keep` the question and its answer become a part of the context.
        """
        workspace = self._workspace(key, request)
        if not question.strip():
            raise PageError(say(request, "e_no_question"))
        named = chosen.method != workspace.session.default_method
        turn = AskedTurn(question_of(question), chosen.method, workspace.edits, named=named)
        yield from self._answer(key, workspace, turn, follow_up, keep, request)

    def again(
        self, key: str | None, chosen: Chosen, follow_up: bool, request: gr.Request, event: gr.EventData
    ) -> Iterator[Update]:
        """Ask the question of a turn once more, as things are now; with `longer`, for several sentences.

        Where the exact cache was made since the answer, it is asked of that, whatever method is chosen.
        """
        workspace = self._workspace(key, request)
        data = event._data or {}
        number = data.get("number")
        if type(number) is not int or not 0 <= number < len(workspace.turns):
            raise PageError(say(request, "e_no_turn"))
        before, method, default = workspace.turns[number], chosen.method, workspace.session.default_method
        stale, exact = before.edits != workspace.edits, workspace.session.exactness.state == "exact"
        if not data.get("longer") and is_surpassed(before, stale, exact):
            method = default  # an exact answer is there to be had
        turn = AskedTurn(
            before.question,
            method,
            workspace.edits,
            named=method != default,
            brief=before.brief and not data.get("longer"),
            earlier=before.text,
        )
        yield from self._answer(key, workspace, turn, follow_up, False, request)

    def _workspace(self, key: str | None, request: gr.Request) -> Workspace:
        return self.store.get(key, request.session_hash if request else None)

    def _answer(
        self,
        key: str | None,
        workspace: Workspace,
        turn: AskedTurn,
        follow_up: bool,
        keep: bool,
        request: gr.Request,
    ) -> Iterator[Update]:
        wanted, failed = sampling(MAX_TOKENS, MAX_TOKENS, turn.brief), list[KVEraserError]()

        def work(job: Job) -> None:
            with self.store.using(key):
                answer(job, workspace, turn, follow_up, wanted)
                if keep and turn.answer and turn.text:
                    try:
                        remember(job, workspace, turn)
                    except KVEraserError as error:  # the answer stays
                        failed.append(error)

        watched = Watched(self.turns, request, work)
        workspace.turns.append(turn)
        emptied, seen = False, None
        try:
            for _ in watched.moments(_REFRESH_S):
                turn.place = watched.job.place
                if turn.text and not emptied:
                    emptied = True
                    yield {self.parts.question: ""}
                if seen != (turn.text, turn.place):
                    seen = turn.text, turn.place
                    yield {self.parts.conversation: conversation(workspace)}
        except KVEraserError:
            if turn in workspace.turns:
                workspace.turns.remove(turn)
            yield {self.parts.conversation: conversation(workspace)}
            raise
        finally:
            turn.place = None
        if (turn.text or turn.answer) and not emptied:  # an empty answer is one too
            yield {self.parts.question: ""}
        yield {
            self.parts.conversation: conversation(workspace),
            self.parts.methods: method_choice(workspace.session.backbone, workspace),
        } | (self._grown(workspace) if turn.remembered else {})
        if failed:
            raise failed[0]

    def _grown(self, workspace: Workspace) -> Update:
        return {
            self.page.view: gr.HTML(**shown(workspace.session.document) | {"value": painted(workspace)}),
            self.page.status: status(workspace.session.backbone, workspace),
            self.page.segments: segments(workspace),
        }

    def evidence(self, key: str | None, request: gr.Request) -> Update:
        """Look for the passages that the newest answer may rest on."""
        workspace = self.store.get(key)
        for turn in list(workspace.turns)[-1:]:
            if turn.answer:
                workspace.find_evidence(turn)
        return {self.parts.conversation: conversation(workspace)}

    def stop(self, key: str | None, request: gr.Request) -> None:
        """Stop the answer that is streaming."""
        if workspace := self.store.find(key):
            for stop in list(workspace.asking):
                stop.set()

    def clear(self, key: str | None, request: gr.Request) -> Update:
        """Forget the conversation."""
        workspace = self.store.get(key)
        workspace.turns.clear()
        return {self.parts.conversation: conversation(workspace)}
