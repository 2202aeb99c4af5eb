"""The figures behind the charts of a comparison; the browser draws them."""

from typing import Any

from app.workspace import Comparison, Workspace
from kveraser_core.sessions.answers import Answer


def parts(answer: Answer) -> list[float]:
    """Where an answer's time went, in seconds: erase, question, first token, decode."""
    return [answer.erase_s or 0.0, answer.question_prefill_s, answer.first_token_s, answer.decode_s]


def growth(workspace: Workspace, now: Comparison) -> dict[str, Any]:
    """Time to first token against the tokens behind the passage, from this session's own measurements.

    `curve` is how long reading the last so many tokens took when the document was loaded, as pairs of
    tokens and seconds; `points` are the same pairs, by method, of every comparison so far and of `now`.
    """
    whole, end = workspace.reading.points[-1] if workspace.reading.points else (0, 0.0)
    curve = [(whole - tokens, end - seconds) for tokens, seconds in [(0, 0.0), *workspace.reading.points]]
    points: dict[str, list[tuple[int, float]]] = {}
    earlier = [comparison for comparison in workspace.comparisons if comparison is not now]
    for comparison in [*earlier, now]:
        for answer in comparison.answers:
            if not answer.error:
                points.setdefault(answer.method, []).append((comparison.tokens_behind, answer.ttft_s))
    return {"curve": sorted(curve), "points": points}
