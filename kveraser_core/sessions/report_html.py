"""A report as one HTML page that needs nothing else, to be kept or sent on."""

from html import escape
from typing import Any

from kveraser_core.sessions.report import CONTEXTS, LIMITS, ErasureReport, PassageReport, Recall

_STYLE = """
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #222; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { padding: 0.25rem 0.5rem; border-bottom: 1px solid #ccc; text-align: left; vertical-align: top; }
td.figure { text-align: right; font-variant-numeric: tabular-nums; }
blockquote { margin: 0.5rem 0; padding-left: 0.8rem; border-left: 3px solid #b3322c; white-space: pre-wrap; }
.exact { color: #1d6b3c; } .approximate { color: #7a4f00; } .present { color: #b3322c; }
code { overflow-wrap: anywhere; }
"""
_NAMES = {"original": "original", "edited": "edited", "exact": "exact", "never_read": "never read"}


def as_html(report: ErasureReport) -> str:
    """The whole page; what a document, a question or an answer says is text in it, never markup."""
    about = report.about
    body = [
        f"<h1>Erasure report: {escape(about['document'])}</h1>",
        f'<p class="{report.verdict()}"><strong>{escape(report.sentence())}</strong></p>',
        f"<p>{escape(LIMITS)}</p>",
        *(_passage(report, passage) for passage in report.passages),
        _questions(report),
        _control(report),
        "<h2>How it was measured</h2>",
        _table((), [[name, _plain(value)] for name, value in about.items() if name != "command"]),
        f"<p>Again: <code>{escape(about['command'])}</code></p>" if about["command"] else "",
    ]
    head = f'<meta charset="utf-8"><title>Erasure report: {escape(about["document"])}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


def _passage(report: ErasureReport, one: PassageReport) -> str:
    kind = "Replaced" if one.passage.new_text else "Erased"
    heads = ("", "continued, nats", "asked, nats", "KL from exact", "overlap, words", "answer")
    rows = [[_NAMES[name], *_figures(one.recalls[name])] for name in CONTEXTS]
    copies = [f"page {copy.page}: {copy.text}" for copy in one.copies if copy.literal]
    similar = [f"page {copy.page}: {copy.text}" for copy in one.copies if not copy.literal]
    new = (
        f"<p>In its place:</p><blockquote>{escape(one.passage.new_text)}</blockquote>" if one.passage.new_text else ""
    )
    return "".join(
        [
            f"<h2>{kind} on page {one.page}, {one.passage.tokens:,} tokens</h2>",
            f"<blockquote>{escape(one.passage.text)}</blockquote>{new}",
            f'<p class="{report.verdict(one)}">{escape(report.sentence(one))}</p>',
            _list("It is still said elsewhere:", copies),
            _list("About the same thing, and not erased:", similar),
            _table(heads, rows),
        ]
    )


def _questions(report: ErasureReport) -> str:
    if not report.questions:
        return ""
    rows = [
        [
            one.question,
            one.answers["original"],
            one.answers["edited"],
            one.answers["exact"],
            f"{one.kl['edited']:.2g}",
        ]
        for one in report.questions
    ]
    heads = ("question", "original", "edited", "exact", "KL from exact")
    return f"<h2>Questions</h2>{_table(heads, rows)}"


def _control(report: ErasureReport) -> str:
    control = report.control
    if control is None:
        return "<h2>Control</h2><p>Too little is left of the document for a control passage.</p>"
    said = "find" if control.found else "do not find"
    rows = [["edited", *_figures(control.edited)], ["never read", *_figures(control.never_read)]]
    heads = ("", "continued, nats", "asked, nats", "KL from exact", "overlap, words", "answer")
    return (
        f"<h2>Control</h2><p>The same probes {said} this passage of page {control.page}, which was not edited:</p>"
        f"<blockquote>{escape(control.text)}</blockquote>{_table(heads, rows)}"
    )


def _figures(recall: Recall) -> list[str]:
    kl = "-" if recall.kl is None else f"{recall.kl:.2g}"
    return [f"{recall.continued:.2f}", f"{recall.asked:.2f}", kl, str(recall.overlap), recall.answer]


def _table(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    top = "<tr>" + "".join(f"<th>{escape(head)}</th>" for head in heads) + "</tr>" if heads else ""
    lines = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return f"<table>{top}{''.join(lines)}</table>"


def _list(title: str, items: list[str]) -> str:
    lines = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<p>{escape(title)}</p><ul>{lines}</ul>" if items else ""


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {found}" for name, found in value.items())
    return "-" if value is None else str(value)
