"""What the endpoints give, as JSON."""

from dataclasses import asdict
from typing import Any

from app.jobs import Stopped
from app.work import time_over
from app.workspace import AskedTurn
from kveraser_core.documents import Document
from kveraser_core.documents.similar.finder import Similar
from kveraser_core.sessions.answers import Answer, measured
from kveraser_core.sessions.session import DocumentSession


def as_similar(document: Document, found: Similar) -> dict[str, Any]:
    """A passage like another, with the words in which it differs."""
    added = [asdict(span) | {"text": document.text[span.start : span.end]} for span in found.added]
    about = {"text": found.text, "score": found.score, "literal": found.literal}
    return asdict(found.span) | about | {"added": added, "missing": list(found.missing)}


def as_erased(session: DocumentSession) -> list[dict[str, Any]]:
    """What is erased or replaced now."""
    return [
        {"start": edit.characters.start, "end": edit.characters.end, "text": edit.text, "tokens": edit.tokens}
        | {"new_text": edit.new_text}
        for edit in session.spans
    ]


def as_segments(session: DocumentSession) -> list[dict[str, Any]]:
    """The parts of the context."""
    return [
        {"name": part.name, "role": part.role, "start": part.characters.start, "end": part.characters.end}
        | {"tokens": part.tokens}
        for part in session.segments
    ]


def as_exactness(session: DocumentSession) -> dict[str, Any]:
    """How near the answers are to exact ones."""
    return {"exactness": asdict(session.exactness)}


def cut_off(turn: AskedTurn) -> Answer:
    """What there is of an answer that was cut off: it has no figures."""
    error = time_over() if turn.stopped == "time_over" else Stopped("e_stopped")
    return Answer(turn.method, turn.question, turn.text, finished=False, erase_s=None, error=error)


def as_answer(answer: Answer) -> dict[str, Any]:
    """An answer with its timings."""
    plain = {"ran": answer.ran or None, "token_ids": list(answer.token_ids), "error": answer.failure}
    return asdict(answer) | measured(answer) | plain
