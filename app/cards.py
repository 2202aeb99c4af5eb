"""The cards of a comparison, one a method, and the data that they, their chart and their table show."""

from collections.abc import Sequence
from dataclasses import asdict
from difflib import SequenceMatcher
from typing import Any

import gradio as gr

from app.texts import explain, ran_instead
from app.verdicts import Judge
from app.widget import Widget
from app.workspace import Comparison, Workspace
from kveraser_core.methods import NONE, REFERENCE
from kveraser_core.sessions.answers import Answer


class Cards(Widget):
    """A comparison: a card a method, a chart, and a table of the figures.

    Events `stop`, and `take` with the `form` to take away.
    """

    scripts = ("charts", "cards")
    styles = ("panel", "charts")


def cards(
    request: gr.Request | None,
    workspace: Workspace,
    comparison: Comparison | None = None,
    coming: Sequence[str] | None = None,
    place: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """The data of `comparison`, else of the last one, for the browser that sent `request`.

    `coming` are the methods whose cards are still to come, in order, while it is made; `place` is that in the line
    while it waits.
    """
    if comparison is None:
        if not workspace.comparisons:
            return {}
        comparison = workspace.comparisons[-1]
    judge = Judge(comparison, workspace.session.document.text)
    return {
        "question": comparison.question,
        "edits": len(comparison.edits),
        "coming": [{"method": method, "s": _expected_s(workspace, method)} for method in coming or ()],
        "measuring": coming is not None and (judge.reference is not None or REFERENCE in coming),
        "place": place,
        "cards": [_card(request, answer, judge) for answer in comparison.answers],
    }


def _expected_s(workspace: Workspace, method: str) -> float | None:
    """How long full recompute takes, by what prefilling the same tokens took; the others take about a second."""
    return workspace.prefill.of_last(workspace.session.suffix_tokens) if method == REFERENCE else None


def _card(request: gr.Request | None, answer: Answer, judge: Judge) -> dict[str, Any]:
    if answer.error:
        return {"method": answer.method, "error": explain(request, answer.error)}
    reference, verdict = judge.reference, judge.verdict(answer)
    return {
        "method": answer.method,
        "ran": ran_instead(answer.method, answer.ran),
        "reference": answer.method == REFERENCE,
        "words": differing(answer.text, reference.text if reference else answer.text),
        "erase_ms": 1000 * (answer.erase_s or 0.0),
        "ttft_s": answer.ttft_s,
        "rate": answer.decode_tokens_per_s,
        "agreement": answer.agreement,
        "kl": answer.kl,
        "extra_mb": answer.extra_bytes / 2**20,
        "faster": reference.ttft_s / answer.ttft_s if reference and answer.method != NONE else None,
        "verdict": asdict(verdict) if verdict else None,
    }


def differing(text: str, reference: str) -> list[tuple[str, bool]]:
    """`text` in pieces, each with whether its words are not those of `reference` at that place."""
    words, expected = text.split(" "), reference.split(" ")
    pieces: list[tuple[str, bool]] = []
    for kind, start, end, _, _ in SequenceMatcher(None, words, expected, autojunk=False).get_opcodes():
        if start < end:
            pieces.append((" ".join(words[start:end]) + " " * (end < len(words)), kind != "equal"))
    return pieces
