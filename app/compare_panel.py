"""Comparing: one question, several methods, a card each as they finish."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from app.store import SessionStore
from app.texts import PageError, say
from app.widgets import cards
from app.workspace import Comparison
from kveraser_core.errors import KVEraserError
from kveraser_core.generation import Sampling
from kveraser_core.session import REFERENCE

MAX_TOKENS = 96


class Comparing:
    """The events of comparing."""

    def __init__(self, store: SessionStore) -> None:
        self.store = store

    def compare(
        self, key: str | None, question: str, methods: list[str], request: gr.Request
    ) -> Iterator[dict[str, Any]]:
        """Answer with each method, full recompute first."""
        workspace = self.store.get(key)
        if not question.strip():
            raise PageError(say(request, "e_no_question"))
        if not methods:
            raise PageError(say(request, "e_no_methods"))
        workspace.stop.clear()
        session = workspace.session
        comparison = Comparison(question.strip(), workspace.edits, session.tokens_behind)
        left = sorted(methods, key=lambda method: method != REFERENCE)
        answers = session.compare(question, methods, sampling=Sampling(max_tokens=MAX_TOKENS))
        try:
            yield {"cards": cards(request, workspace, comparison, left[0])}
            for answer in answers:
                if not comparison.answers:
                    workspace.comparisons.append(comparison)
                comparison.answers.append(answer)
                left.remove(answer.method)
                yield {"cards": cards(request, workspace, comparison, left[0] if left else None)}
                if workspace.stop.is_set():
                    break
        except KVEraserError:
            yield {"cards": cards(request, workspace)}
            raise
        finally:
            answers.close()  # type: ignore[attr-defined]
        yield {"cards": cards(request, workspace)}
