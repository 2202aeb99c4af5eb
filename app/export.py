"""Taking away what was asked and compared: as Markdown, HTML, CSV or JSON.

What the erased passages said is left out unless it is asked for: who erased it may not want to send it on.
"""

import csv
import io
import json
from typing import Any

from app.export_html import figures_of, page_of, said_of
from app.texts import WORDS, ran_instead
from app.verdicts import Judge, Verdict
from app.workspace import Workspace
from kveraser_core.sessions.answers import MEASURED, Answer, measured
from kveraser_core.sessions.edited_spans import EditedSpan

_FIGURES = [name for name in MEASURED if name != "decode_s"]
_BEGINS_FORMULA = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
FORMATS = {"md": "text/markdown", "html": "text/html", "csv": "text/csv", "json": "application/json"}


def exported(workspace: Workspace, form: str, erased_text: bool = False) -> str:
    """Everything asked and compared in `workspace`, as `md`, `html`, `csv` or `json`."""
    document, model = workspace.session.document.title, workspace.session.backbone.name
    groups = _groups(workspace, erased_text)
    answers = [record for group in groups for record in group]
    match form:
        case "md":
            return _markdown(document, model, answers)
        case "html":
            return page_of(document, model, groups)
        case "csv":
            return _csv(answers)
    return json.dumps({"document": document, "model": model, "answers": answers}, ensure_ascii=False, indent=2) + "\n"


def _groups(workspace: Workspace, erased_text: bool) -> list[list[dict[str, Any]]]:
    """For each question asked or compared, one record an answer: what was edited then, the answer and its figures.

    `ran` is the erase method that really ran, `None` where that is not known.
    """
    asked = [
        [_record("ask", turn.question, turn.method, turn.edits, turn.text, turn.answer, erased_text)]
        for turn in list(workspace.turns)
    ]
    compared = [
        [
            _record("compare", one.question, answer.method, one.edits, answer.text, answer, erased_text)
            | {"verdict": _verdict_in_words(judge.verdict(answer))}
            for judge in [Judge(one, workspace.session.document.text)]
            for answer in one.answers
        ]
        for one in list(workspace.comparisons)
    ]
    return asked + compared


def _verdict_in_words(verdict: Verdict | None) -> str:
    return WORDS["en"][verdict.key].format(words=", ".join(verdict.words)) if verdict else ""


def _record(
    kind: str,
    question: str,
    method: str,
    edits: tuple[EditedSpan, ...],
    said: str,
    answer: Answer | None,
    erased_text: bool,
) -> dict[str, Any]:
    known = measured(answer) if answer else {}
    figures = {name: known.get(name) for name in _FIGURES}
    erased = [
        {"start": edit.characters.start, "end": edit.characters.end, "text": edit.text if erased_text else None}
        | {"new_text": edit.new_text}
        for edit in edits
    ]
    error = answer.failure if answer else None
    return {
        "kind": kind,
        "question": question,
        "method": method,
        "ran": (answer.ran or None) if answer else None,
        "erased": erased,
        "answer": said,
        "error": error,
        "verdict": "",
    } | figures


def _csv(answers: list[dict[str, Any]]) -> str:
    file = io.StringIO()
    names = ["kind", "question", "method", "ran", "erased", "erased_text", "new_text", "answer", "error", "verdict"]
    names += _FIGURES
    writer = csv.DictWriter(file, names)
    writer.writeheader()
    for record in answers:
        edits = record["erased"]
        places = " | ".join(f"{edit['start']}:{edit['end']}" for edit in edits)
        texts = {
            "erased_text": " | ".join(edit["text"] or "" for edit in edits).strip(" |"),
            "new_text": " | ".join(edit["new_text"] for edit in edits).strip(" |"),
        }
        writer.writerow({name: _cell(value) for name, value in (record | texts | {"erased": places}).items()})
    return file.getvalue()


def _cell(value: Any) -> Any:
    """No spreadsheet may take a cell of a document for a formula."""
    begins = value.lstrip(" \n\u00a0\ufeff").startswith(_BEGINS_FORMULA) if isinstance(value, str) else False
    return f"'{value}" if begins else value


def _markdown(document: str, model: str, answers: list[dict[str, Any]]) -> str:
    lines = [f"# {_plain(document)}", "", f"Model: {model}", ""]
    for record in answers:
        lines += [f"## {_plain(record['question'])}", "", f"`{record['method']}` ({record['kind']})", ""]
        if instead := ran_instead(record["method"], record["ran"]):
            lines += [WORDS["en"][instead], ""]
        lines += [f"- {_plain(said_of(edit))}" for edit in record["erased"]]
        lines += ["", *(f"    {line}" for line in (record["answer"] or record["error"] or "").splitlines()), ""]
        lines += [*([_plain(record["verdict"]), ""] if record["verdict"] else []), figures_of(record), ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text on one line whose Markdown signs are signs."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()<>#!|" else sign for sign in " ".join(text.split()))
