"""The report of what is left of edited passages: measuring it, showing it, and taking it away."""

import json
from collections.abc import Iterator
from typing import Any

import gradio as gr

from app.jobs import Job, Watched
from app.layout import Parts, Update
from app.store import SessionStore
from app.texts import PageError, say
from app.turns import Turns
from app.widgets import edit_list
from app.work import report
from app.workspace import Workspace
from kveraser_core.errors import KVEraserError
from kveraser_core.sessions.report_html import as_html

_REFRESH_S = 0.25
_QUESTIONS = 3
"""How many of the user's latest questions are measured by."""
_FORMS = {
    "html": ("text/html", as_html),
    "json": ("application/json", lambda made: json.dumps(made.as_json(), ensure_ascii=False, indent=2) + "\n"),
}


class Reporting:
    """The events of the report; it stands under the list of edits as long as nothing is changed there."""

    def __init__(self, store: SessionStore, turns: Turns, parts: Parts) -> None:
        self.store, self.turns, self.parts = store, turns, parts

    def report(self, key: str | None, request: gr.Request) -> Iterator[Update]:
        """Measure what is left, and show how far that is."""
        workspace = self.store.get(key)
        questions = list(dict.fromkeys(turn.question for turn in list(workspace.turns)))[-_QUESTIONS:]
        share = [0.0]

        def work(job: Job) -> None:
            with self.store.using(key, request.session_hash if request else None):
                workspace.report = report(job, workspace, questions, measured=share.append)

        before = workspace.edits
        watched, percent = Watched(self.turns, request, work), -1
        try:
            for _ in watched.moments(_REFRESH_S):
                if percent != int(100 * share[-1]):
                    percent = int(100 * share[-1])
                    yield self._listed(key, workspace, before, measuring=percent)
        except KVEraserError:
            yield self._listed(key, workspace, before)
            raise
        yield self._listed(key, workspace, before)

    def take(self, key: str | None, request: gr.Request, event: gr.EventData) -> Update:
        """The last report as a file."""
        form, made = str((event._data or {}).get("form", "")), self.store.get(key).report
        if form not in _FORMS or made is None:
            raise PageError(say(request, "e_nothing"))
        mime, text = _FORMS[form]
        return {self.parts.taken: {"name": f"erasure-report.{form}", "mime": mime, "text": text(made)}}

    def _listed(self, key: str | None, workspace: Workspace, before: Any, **state: Any) -> Update:
        if self.store.find(key) is not workspace or workspace.edits != before:
            return {self.parts.edits: gr.skip()}
        return {self.parts.edits: edit_list(workspace) | state}
