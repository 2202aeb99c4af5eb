"""The figures in the charts of a comparison; the browser draws them."""

from typing import Any

from app.workspace import Comparison, Workspace
from kveraser_core.sessions.answers import Answer


def parts(answer: Answer) -> list[float]:
    """Where an answer's time went, in seconds: erase, question, first token, decode."""
    return [answer.erase_s or 0.0, answer.question_prefill_s, answer.first_token_s, answer.decode_s]


def growth(workspace: Workspace, now: Comparison) -> dict[str, Any]:
    """Time to first token against the suffix tokens, from this session's own measurements.

    `curve` is how long the prefill of the last so many tokens took when the document was loaded, as pairs of
    tokens and seconds; `points` are the same pairs, by method, of every comparison so far and of `now`.
    """
    whole, end = workspace.prefill.points[-1] if workspace.prefill.points else (0, 0.0)
    curve = [(whole - tokens, end - seconds) for tokens, seconds in [(0, 0.0), *workspace.prefill.points]]
    points: dict[str, list[tuple[int, float]]] = {}
    earlier = [comparison for comparison in list(workspace.comparisons) if comparison is not now]
    for comparison in [*earlier, now]:
        for answer in comparison.answers:
            if not answer.error:
                points.setdefault(answer.method, []).append((comparison.suffix_tokens, answer.ttft_s))
    return {"curve": sorted(curve), "points": points}
