"""Erasing and replacing spans, taking that back, and finding others about the same thing."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from app.document_view import NOT_UNDERSTOOD, from_browser
from app.jobs import Job, Watched
from app.layout import Parts, Update
from app.method_choice import method_choice
from app.search import find_similar
from app.store import SessionStore
from app.turns import Turns
from app.widgets import conversation, edit_list, exactness, painted, segments
from app.work import new_text_of
from app.workspace import Workspace
from kveraser_core.documents.similar.finder import Similar
from kveraser_core.documents.spans import Span, SpanError
from kveraser_core.errors import KVEraserError

_AT_ONCE = 100
_REFRESH_S = 0.25


class Erasing:
    """The events of erasing; each gives the document's painting, the edit list and the conversation anew."""

    def __init__(self, store: SessionStore, turns: Turns, parts: Parts) -> None:
        self.store, self.turns, self.parts = store, turns, parts
        self._searches = Turns()  # beside the model

    def erase(self, key: str | None, request: gr.Request, event: gr.EventData) -> Iterator[Update]:
        """Erase the selected span, or several at once."""

        def change(workspace: Workspace) -> Update:
            session, spans = workspace.session, _all_selected(workspace, event)
            tokens = sum(rounded.tokens for rounded in session.round_out(spans))
            seconds = session.erase(spans)
            return self._shown(workspace, "said_erased", **_figures(workspace, seconds, tokens))

        yield from self._change(key, request, change)

    def replace(self, key: str | None, request: gr.Request, event: gr.EventData) -> Iterator[Update]:
        """Put new text in the place of the selected span."""
        given = event._data.get("new_text") if isinstance(event._data, dict) else None
        if not isinstance(given, str):
            raise SpanError(NOT_UNDERSTOOD)
        new_text = new_text_of(given)

        def change(workspace: Workspace) -> Update:
            session, span = workspace.session, _selected(workspace, event)
            tokens = sum(rounded.tokens for rounded in session.round_out([span]))
            seconds = session.replace([span], new_text)
            return self._shown(workspace, "said_replaced", **_figures(workspace, seconds, tokens))

        yield from self._change(key, request, change)

    def drop(self, key: str | None, request: gr.Request, event: gr.EventData) -> Iterator[Update]:
        """Erase a part of the context."""

        def change(workspace: Workspace) -> Update:
            session, number = workspace.session, (event._data or {}).get("number")
            if type(number) is not int or not 0 < number < len(session.segments):
                raise SpanError("This part is not in the context: choose one of the list.")
            part = session.segments[number]
            seconds = session.erase([part.characters])
            return self._shown(workspace, "said_erased", **_figures(workspace, seconds, part.tokens))

        yield from self._change(key, request, change)

    def restore(self, key: str | None, request: gr.Request, event: gr.EventData) -> Iterator[Update]:
        """Bring an erased span back."""

        def change(workspace: Workspace) -> Update:
            workspace.session.restore(_selected(workspace, event))
            return self._shown(workspace, "said_restored")

        yield from self._change(key, request, change)

    def undo(self, key: str | None, request: gr.Request) -> Iterator[Update]:
        """Take the last change back."""
        yield from self._change(
            key, request, lambda kept: self._shown(kept, "said_undone" if kept.session.undo() else "said_nothing")
        )

    def redo(self, key: str | None, request: gr.Request) -> Iterator[Update]:
        """Do again what was taken back."""
        yield from self._change(
            key, request, lambda kept: self._shown(kept, "said_redone" if kept.session.redo() else "said_nothing")
        )

    def restore_all(self, key: str | None, request: gr.Request) -> Iterator[Update]:
        """Bring everything back."""

        def change(workspace: Workspace) -> Update:
            workspace.session.restore_all()
            return self._shown(workspace, "said_all")

        yield from self._change(key, request, change)

    def similar(self, key: str | None, shown: dict[str, Any], request: gr.Request) -> Iterator[Update]:
        """Look for spans about what the erased ones are about; runs beside the model."""
        workspace = self.store.find(key)
        if workspace and workspace.edits:
            yield from self._find(key, workspace.edited, shown, request)

    def similar_to(
        self, key: str | None, shown: dict[str, Any], request: gr.Request, event: gr.EventData
    ) -> Iterator[Update]:
        """Look for spans about what the selected one is about."""
        workspace = self.store.get(key)
        yield from self._find(key, [_selected(workspace, event), *workspace.edited], shown, request)

    def _change(
        self, key: str | None, request: gr.Request, change: Callable[[Workspace], Update]
    ) -> Iterator[Update]:
        """Change what is erased, once it is our turn; until then the place in the line is shown."""
        done: Update = {}
        workspace = self.store.get(key)

        def work(job: Job) -> None:
            with self.store.using(key, request.session_hash if request else None):
                job.take(workspace)
                done.update(change(workspace))

        watched = Watched(self.turns, request, work)
        place = None
        try:
            for _ in watched.moments(_REFRESH_S):
                if watched.job.place != place:
                    place = watched.job.place
                    yield {self.parts.edits: edit_list(workspace, place=place)}
        except KVEraserError:
            if place:
                yield {self.parts.edits: edit_list(workspace)}
            raise
        yield done

    def _find(
        self, key: str | None, spans: list[Span], shown: dict[str, Any], request: gr.Request
    ) -> Iterator[Update]:
        said, figures = (shown or {}).get("said", ""), (shown or {}).get("with", {})
        workspace = self.store.get(key)
        before, found, share = workspace.edits, list[Similar](), [0.0]

        def work(job: Job) -> None:
            with self.store.using(key):
                found.extend(find_similar(job, workspace, spans, lambda looked: share.append(looked)))

        def listed(**state: Any) -> Update:
            """The list, as long as it is what is shown: neither was more erased, nor did another document come."""
            if self.store.find(key) is not workspace or workspace.edits != before:
                return {self.parts.edits: gr.skip()}
            return {self.parts.edits: edit_list(workspace, said, **state, **figures)}

        yield listed(searching=0)
        watched, percent = Watched(self._searches, request, work), 0
        try:
            for _ in watched.moments(_REFRESH_S):
                if percent != int(100 * share[-1]):
                    percent = int(100 * share[-1])
                    yield listed(searching=percent)
        except KVEraserError:
            yield listed()
            raise
        yield listed(similar=found)  # Gradio sends what comes last once more, whatever other events did meanwhile

    def _shown(self, workspace: Workspace, said: str, **figures: Any) -> Update:
        return {
            self.parts.view: gr.HTML(value=painted(workspace)),
            self.parts.edits: edit_list(workspace, said, **figures),
            self.parts.exactness: exactness(workspace),
            self.parts.segments: segments(workspace),
        } | self._answers(workspace)

    def poll(self, key: str | None, request: gr.Request) -> Update:
        """How exact answers are by now; once they are, which answers were given before."""
        workspace = self.store.find(key)
        if workspace is None:
            return {self.parts.exactness: {}}
        now = exactness(workspace)
        update: Update = {self.parts.exactness: now}
        return update if now.get("state") == "working" else update | self._answers(workspace)

    def look(self, key: str | None, listed: dict[str, Any], request: gr.Request) -> Update:
        """What another tab with the same document has changed; `listed` is the list of edits that this one shows."""
        workspace = self.store.find(key)
        if workspace is None:
            return {self.parts.edits: gr.skip()}
        same = (listed or {}).get("edits") == edit_list(workspace)["edits"]
        return self._answers(workspace) if same else self._shown(workspace, "said_elsewhere")

    def _answers(self, workspace: Workspace) -> Update:
        asking = self.parts.asking
        return {
            asking.conversation: conversation(workspace),
            asking.methods: method_choice(workspace.session.backbone, workspace),
        }


def _figures(workspace: Workspace, seconds: float, tokens: int) -> dict[str, Any]:
    """What an edit of so many `tokens` took, and what recomputing all that follows would have taken about."""
    session = workspace.session
    return {
        "ms": 1000 * seconds,
        "tokens": tokens,
        "method": session.default_method,
        "s": workspace.prefill.of_last(session.suffix_tokens),
    }


def _selected(workspace: Workspace, event: gr.EventData) -> Span:
    """The span that `event` is about. Raises `SpanError`."""
    return _span(workspace, event._data)


def _all_selected(workspace: Workspace, event: gr.EventData) -> list[Span]:
    """The spans that `event` is about: those that it has under `all`, or else its own. Raises `SpanError`."""
    data = event._data if isinstance(event._data, dict) else {}
    spans = data.get("all", [data])
    if not isinstance(spans, list) or not 0 < len(spans) <= _AT_ONCE:
        raise SpanError(NOT_UNDERSTOOD)
    return [_span(workspace, span) for span in spans]


def _span(workspace: Workspace, data: object) -> Span:
    given = data if isinstance(data, dict) else {}
    text = workspace.session.document.text
    return from_browser(text, given.get("start"), given.get("end"), given.get("text"))
