"""Asking: the answer streams into the conversation."""

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from app.store import SessionStore
from app.texts import PageError, say
from app.widgets import conversation
from app.workspace import AskedTurn, Workspace
from kveraser_core.answers import Answer
from kveraser_core.errors import KVEraserError
from kveraser_core.generation import Sampling
from kveraser_core.prompts import Turn

MAX_TOKENS = 256
_REFRESH_S = 0.1


class Asking:
    """The events of asking."""

    def __init__(self, store: SessionStore) -> None:
        self.store = store

    def ask(
        self, key: str | None, question: str, method: str, follow_up: bool, request: gr.Request
    ) -> Iterator[dict[str, Any]]:
        """Answer a question, streaming; the question box is emptied once the answer begins."""
        workspace = self.store.get(key)
        if not question.strip():
            raise PageError(say(request, "e_no_question"))
        workspace.stop.clear()
        history = earlier_turns(workspace) if follow_up else []
        pieces = workspace.session.stream(question, method, history, Sampling(max_tokens=MAX_TOKENS))
        turn = AskedTurn(question.strip(), method, workspace.edits)
        workspace.turns.append(turn)
        shown = 0.0
        try:
            yield {"conversation": conversation(workspace)}
            for piece in pieces:
                if not turn.text:
                    yield {"question": ""}
                if isinstance(piece, Answer):
                    turn.answer, turn.text = piece, piece.text
                    break
                turn.text += piece
                if workspace.stop.is_set():
                    break
                if time.monotonic() - shown > _REFRESH_S:
                    shown = time.monotonic()
                    yield {"conversation": conversation(workspace)}
        except KVEraserError:
            workspace.turns.remove(turn)
            yield {"conversation": conversation(workspace)}
            raise
        finally:
            pieces.close()  # type: ignore[attr-defined]
            turn.stopped = turn.answer is None
        yield {"conversation": conversation(workspace)}

    def stop(self, key: str | None, request: gr.Request) -> None:
        """Stop the answer that is streaming."""
        if workspace := self.store.find(key):
            workspace.stop.set()

    def clear(self, key: str | None, request: gr.Request) -> dict[str, Any]:
        """Forget the conversation."""
        workspace = self.store.get(key)
        workspace.turns.clear()
        return {"conversation": conversation(workspace)}


def earlier_turns(workspace: Workspace) -> list[Turn]:
    """The finished turns that a question may follow: none that was answered before the last change."""
    return [
        Turn(turn.question, turn.text)
        for turn in workspace.turns
        if turn.answer and turn.text and turn.edits == workspace.edits
    ]
