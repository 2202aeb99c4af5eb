"""The other parts of the page that are drawn by their own scripts, and the data each of them shows."""

import time
from typing import Any

from app.cards import differing
from app.document_view import span_data, to_browser
from app.report_view import report_of
from app.texts import ran_instead
from app.widget import Widget
from app.workspace import AskedTurn, Workspace
from kveraser_core.documents.similar.differences import words_of
from kveraser_core.documents.similar.finder import Similar
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.edited_spans import EditedSpan


class StatusBar(Widget):
    """What is loaded and how full the window is; while a document is loaded, how that gets on. Event `cancel`."""

    scripts = ("streaming", "gradio", "typing", "status", "switches", "tabs")
    styles = ("status",)


class EditList(Widget):
    """What is edited, what else is about it, and the report of what is left.

    Events `undo`, `redo`, `restoreall`, `restore`, `erase`, `report`, `takereport` with the `form` to take away, and
    `look` when the user comes back to the tab.
    """

    scripts = ("reporting", "related", "edits", "keys")


class Exactness(Widget):
    """Whether answers are approximate or exact, and how soon they will be. Event `poll` while they are not yet."""

    scripts = ("exactness",)


class Segments(Widget):
    """The parts of the context, where there are several. Event `drop` with the `number` of the one to erase."""

    scripts = ("segments",)


class Conversation(Widget):
    """Questions and answers.

    Events `stop`, `clear`, and `again` with the `number` of a turn to ask once more and whether the answer may be
    `longer`.
    """

    scripts = ("chat",)


_EMPTY = frozenset({"a", "an", "the", "this", "that", "these", "those", "and", "as", "at", "in", "of", "on"})
"""Words whose difference makes no other fact."""


def status(backbone: Backbone, workspace: Workspace | None) -> dict[str, Any]:
    """The status bar's data where nothing is being loaded."""
    about = {"window": backbone.window, "model": backbone.name, "device": backbone.device.type}
    if workspace is None:
        return about
    session, document = workspace.session, workspace.session.document
    return about | {
        "title": document.title,
        "tokens": session.tokens,
        "memory_mb": session.memory_bytes / 2**20,
        "pages": document.page_count,
        "warnings": document.warnings,
    }


def painted(workspace: Workspace) -> dict[str, Any]:
    """The document view's value."""
    places = to_browser(workspace.session.document.text, workspace.edited)
    new = [[edit.new_text] if edit.new_text else [] for edit in workspace.edits]
    return {"erased": [place + text for place, text in zip(places, new, strict=True)]}


def edit_list(
    workspace: Workspace,
    said: str = "",
    searching: int | None = None,
    place: tuple[int, int] | None = None,
    similar: list[Similar] | None = None,
    **figures: Any,
) -> dict[str, Any]:
    """The edit list's data; `said` is the text about what was just done, with its `figures`.

    `searching` is the percentage of the document that has been searched, while it is.
    """
    session = workspace.session
    text = session.document.text
    return {
        "edits": [_edit(text, edit) for edit in session.spans],
        "undo": session.can_undo,
        "redo": session.can_redo,
        "tips": [span_data(text, tip) for tip in workspace.tips if not session.spans],
        "said": said,
        "with": figures,
        "report": report_of(workspace),
        "searching": searching,
        "place": place,
        "similar": None if similar is None else [_found(text, found) for found in similar],
    }


def _edit(text: str, edit: EditedSpan) -> dict[str, Any]:
    return span_data(text, edit.characters) | {"tokens": edit.tokens, "new_text": edit.new_text}


def exactness(workspace: Workspace) -> dict[str, Any]:
    """The data of how exact answers are: nothing where nothing is erased.

    It differs each time, by `at`: the page draws, and so asks again, only what is not as it was.
    """
    if not workspace.edits:
        return {}
    state = workspace.session.exactness
    return {"state": state.state, "seconds": state.seconds, "reason": state.reason, "at": time.monotonic()}


def segments(workspace: Workspace) -> dict[str, Any]:
    """The data of the parts of the context; nothing where the document is the only one."""
    session = workspace.session
    text, parts = session.document.text, session.segments
    shown = [
        {"name": part.name, "role": part.role, "tokens": part.tokens}
        | dict(zip(("start", "end"), to_browser(text, [part.characters])[0], strict=True))
        | {"erased": part.characters in workspace.edited}
        for part in parts
    ]
    return {"parts": shown if len(parts) > 1 else []}


def _found(text: str, found: Similar) -> dict[str, Any]:
    """`pieces` are its text in order, each with whether the erased passage has none of its words.

    It `repeats` the passage where no other words than the commonest differ.
    """
    pieces, at = [], found.span.start
    for added in found.added:
        pieces += [(text[at : added.start], False), (text[added.start : added.end], True)]
        at = added.end
    pieces = [(piece, differs) for piece, differs in [*pieces, (text[at : found.span.end], False)] if piece]
    differing = " ".join([*(piece for piece, differs in pieces if differs), *found.missing])
    repeats = found.literal or set(words_of(differing)) <= _EMPTY
    shown = {"score": found.score, "literal": found.literal, "pieces": pieces, "missing": found.missing}
    shown |= {"repeats": repeats}
    return span_data(text, found.span) | shown


def conversation(workspace: Workspace) -> dict[str, Any]:
    """The conversation's data."""
    now, exact = workspace.edits, workspace.session.exactness.state == "exact"
    return {
        "turns": [
            _turn(turn, workspace, turn.edits != now, exact) | _evidence(workspace, turn)
            for turn in list(workspace.turns)  # another request may add one meanwhile
        ],
        "questions": workspace.questions,
    }


def _turn(turn: AskedTurn, workspace: Workspace, stale: bool, exact: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "question": turn.question,
        "method": turn.method,
        "answer": turn.text,
        "edits": [f"{edit.text} → {edit.new_text}" if edit.new_text else edit.text for edit in turn.edits],
        "stale": stale,
        "stopped": turn.stopped,
        "running": turn.answer is None and not turn.stopped,
        "place": turn.place,
        "remembered": turn.remembered,
    }
    if turn.answer:
        ended = bool(turn.answer.token_ids) and turn.answer.token_ids[-1] in workspace.session.backbone.end_ids
        shown |= {
            "goes_on": turn.brief and not ended,
            "words": differing(turn.text, turn.earlier) if turn.earlier else [],
            "earlier": turn.earlier,
            "ran": ran_instead(turn.method, turn.answer.ran),
            "ttft_ms": 1000 * turn.answer.ttft_s,
            "rate": turn.answer.decode_tokens_per_s,
            "exact": turn.answer.exact,
            "surpassed": is_surpassed(turn, stale, exact),
        }
    return shown


def is_surpassed(turn: AskedTurn, stale: bool, exact: bool) -> bool:
    """Whether `turn` was answered approximately, and not before the last change, where `exact` answers can be had."""
    return bool(exact and not stale and turn.answer and not turn.answer.exact)


def _evidence(workspace: Workspace, turn: AskedTurn) -> dict[str, Any]:
    """Where an answer may come from: passages with their pages, and the answer's words that stand nowhere."""
    if turn.evidence is None:
        return {}
    document = workspace.session.document
    passages = [
        span_data(document.text, passage.span)
        | {"page": document.page_at(passage.span.start) if document.page_count > 1 else None}
        for passage in turn.evidence.passages
    ]
    return {"evidence": passages, "absent": turn.evidence.absent}
