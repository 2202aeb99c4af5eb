"""Erasing passages, taking that back, and finding others that say the same."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from app.document_view import from_browser
from app.store import SessionStore
from app.texts import say
from app.widgets import conversation, edit_list, painted
from app.workspace import Workspace
from kveraser_core.spans import Span

_QUOTED = 160


class Erasing:
    """The events of erasing; each gives the document's painting, the edit list and the conversation anew."""

    def __init__(self, store: SessionStore) -> None:
        self.store = store

    def erase(self, key: str | None, request: gr.Request, event: gr.EventData) -> dict[str, Any]:
        """Erase a passage."""
        workspace, span = self._passage(key, event)
        (rounded,) = workspace.session.round_out([span])
        seconds = workspace.session.erase([span])
        method = workspace.session.default_method
        return _shown(workspace, "said_erased", ms=1000 * seconds, tokens=rounded.tokens, method=method)

    def restore(self, key: str | None, request: gr.Request, event: gr.EventData) -> dict[str, Any]:
        """Bring a passage back."""
        workspace, span = self._passage(key, event)
        workspace.session.restore(span)
        return _shown(workspace, "said_restored")

    def undo(self, key: str | None, request: gr.Request) -> dict[str, Any]:
        """Take the last change back."""
        workspace = self.store.get(key)
        return _shown(workspace, "said_undone" if workspace.session.undo() else "said_nothing")

    def redo(self, key: str | None, request: gr.Request) -> dict[str, Any]:
        """Do again what was taken back."""
        workspace = self.store.get(key)
        return _shown(workspace, "said_redone" if workspace.session.redo() else "said_nothing")

    def restore_all(self, key: str | None, request: gr.Request) -> dict[str, Any]:
        """Bring everything back."""
        workspace = self.store.get(key)
        workspace.session.restore_all()
        return _shown(workspace, "said_all")

    def similar(self, key: str | None, shown: dict[str, Any], request: gr.Request) -> Iterator[dict[str, Any]]:
        """Look for passages that say what the erased ones say; runs beside the model."""
        workspace = self.store.find(key)
        if workspace is None or not workspace.edits:
            return
        yield from self._find(workspace, list(workspace.edits), shown)

    def similar_to(
        self, key: str | None, shown: dict[str, Any], request: gr.Request, event: gr.EventData
    ) -> Iterator[dict[str, Any]]:
        """Look for passages that say what the selected one says."""
        workspace, span = self._passage(key, event)
        yield from self._find(workspace, [span, *workspace.edits], shown)

    def ask_about(self, key: str | None, request: gr.Request, event: gr.EventData) -> str:
        """A question that begins with the selected passage."""
        workspace, span = self._passage(key, event)
        text = " ".join(workspace.session.document.text[span.start : span.end].split())
        quoted = text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…"
        return say(request, "about").replace("{text}", quoted)

    def _find(self, workspace: Workspace, passages: list[Span], shown: dict[str, Any]) -> Iterator[dict[str, Any]]:
        said, figures = (shown or {}).get("said", ""), (shown or {}).get("with", {})
        yield {"edits": edit_list(workspace, said, searching=True, **figures)}
        before = workspace.edits
        found = workspace.similar.find(passages)
        if workspace.edits == before:
            yield {"edits": edit_list(workspace, said, similar=found, **figures)}

    def _passage(self, key: str | None, event: gr.EventData) -> tuple[Workspace, Span]:
        workspace = self.store.get(key)
        data = event._data or {}
        text = workspace.session.document.text
        return workspace, from_browser(text, data.get("start"), data.get("end"), data.get("text"))


def _shown(workspace: Workspace, said: str, **figures: Any) -> dict[str, Any]:
    return {
        "view": gr.HTML(value=painted(workspace)),
        "edits": edit_list(workspace, said, **figures),
        "conversation": conversation(workspace),
    }
