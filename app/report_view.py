"""The report of what is left of edited passages, as the page shows it."""

from typing import Any

from app.document_view import span_data
from app.workspace import Workspace
from kveraser_core.documents.spans import Span
from kveraser_core.sessions.report import CONTEXTS


def report_of(workspace: Workspace) -> dict[str, Any] | None:
    """What the page shows of the last report, as long as nothing else is edited now."""
    made, text = workspace.report, workspace.session.document.text
    if made is None or tuple(one.passage for one in made.passages) != workspace.edits:
        return None
    return {
        "verdict": made.verdict(),
        "kl": made.kl,
        "noise": made.noise,
        "control": None if made.control is None else made.control.found,
        "passages": [
            {
                "text": one.passage.text,
                "page": one.page,
                "verdict": made.verdict(one),
                "kl": one.recalls["edited"].kl,
                "share": one.share_left,
                "contexts": [
                    {"name": name, "continued": one.recalls[name].continued, "asked": one.recalls[name].asked}
                    for name in CONTEXTS
                ],
                "copies": [
                    span_data(text, Span(copy.start, copy.end)) | {"page": copy.page, "literal": copy.literal}
                    for copy in one.copies
                ],
            }
            for one in made.passages
        ],
        "questions": [
            {
                "question": one.question,
                "kl": one.kl["edited"],
                "edited": one.answers["edited"],
                "exact": one.answers["exact"],
            }
            for one in made.questions
        ],
    }
