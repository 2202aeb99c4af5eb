"""Taking away what was asked and compared: as Markdown, CSV or JSON."""

import csv
import io
import json
from typing import Any

from app.texts import WORDS, ran_instead
from app.workspace import Workspace
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.edited_spans import EditedSpan

_FIGURES = (
    "erase_s", "question_prefill_s", "first_token_s", "ttft_s", "decode_tokens_per_s",
    "agreement", "kl", "extra_bytes",
)  # fmt: skip
_SAID = {
    "erase_s": "erased in {:.3f} s",
    "ttft_s": "first token after {:.3f} s",
    "decode_tokens_per_s": "{:.1f} tokens/s",
    "agreement": "{:.0%} of the tokens agree with full recompute",
    "kl": "KL {:.4f} nats a token",
    "extra_mb": "{:.1f} MB besides the cache",
}
"""How the figures are said to people."""
FORMATS = {"md": "text/markdown", "csv": "text/csv", "json": "application/json"}


def exported(workspace: Workspace, form: str) -> str:
    """Everything asked and compared in `workspace`, as `md`, `csv` or `json`."""
    return {"md": _markdown, "csv": _csv, "json": _json}[form](workspace)


def records(workspace: Workspace) -> list[dict[str, Any]]:
    """One record an answer: where it comes from, what was edited then, the answer and its figures.

    `ran` is the erase method that really ran, `None` where that is not known.
    """
    asked = [
        _record("ask", turn.question, turn.method, turn.edits, turn.text, turn.answer) for turn in workspace.turns
    ]
    compared = [
        _record("compare", comparison.question, answer.method, comparison.edits, answer.text, answer)
        for comparison in workspace.comparisons
        for answer in comparison.answers
    ]
    return asked + compared


def _record(
    kind: str, question: str, method: str, edits: tuple[EditedSpan, ...], said: str, answer: Answer | None
) -> dict[str, Any]:
    figures = {name: getattr(answer, name) if answer else None for name in _FIGURES}
    erased = [
        {"start": edit.characters.start, "end": edit.characters.end, "text": edit.text, "new_text": edit.new_text}
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
    } | figures


def _json(workspace: Workspace) -> str:
    document = workspace.session.document
    whole = {"document": document.title, "model": workspace.session.backbone.name, "answers": records(workspace)}
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _csv(workspace: Workspace) -> str:
    file = io.StringIO()
    names = ["kind", "question", "method", "ran", "erased", "answer", "error", *_FIGURES]
    writer = csv.DictWriter(file, names)
    writer.writeheader()
    for record in records(workspace):
        erased = " | ".join(f"{span['start']}:{span['end']}" for span in record["erased"])
        writer.writerow({name: _cell(value) for name, value in (record | {"erased": erased}).items()})
    return file.getvalue()


def _cell(value: Any) -> Any:
    """No spreadsheet may take a cell of a document for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _markdown(workspace: Workspace) -> str:
    lines = [f"# {_plain(workspace.session.document.title)}", "", f"Model: {workspace.session.backbone.name}", ""]
    for record in records(workspace):
        extra = record["extra_bytes"]
        record["extra_mb"] = None if extra is None else extra / 2**20
        lines += [f"## {_plain(record['question'])}", "", f"`{record['method']}` ({record['kind']})", ""]
        if instead := ran_instead(record["method"], record["ran"]):
            lines += [WORDS["en"][instead], ""]
        lines += [f"- {_said(edit)}" for edit in record["erased"]]
        lines += ["", *(f"    {line}" for line in (record["answer"] or record["error"] or "").splitlines()), ""]
        figures = [said.format(record[name]) for name, said in _SAID.items() if record[name] is not None]
        lines += [", ".join(figures), ""]
    return "\n".join(lines)


def _said(edit: dict[str, Any]) -> str:
    replaced = f"replaced: {_plain(edit['text'])} → {_plain(edit['new_text'])}"
    return replaced if edit["new_text"] else f"erased: {_plain(edit['text'])}"


def _plain(text: str) -> str:
    """Text on one line whose Markdown signs are signs."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()<>#!|" else sign for sign in " ".join(text.split()))
