"""What was asked and compared as people read it: figures with units, and one HTML page that needs nothing else."""

from html import escape
from typing import Any

from app.texts import WORDS, ran_instead

_SAID = {
    "erase_s": "erased in {:.3f} s",
    "ttft_s": "first token after {:.3f} s",
    "decode_tokens_per_s": "{:.1f} tokens/s",
    "agreement": "{:.0%} of the tokens agree with full recompute",
    "kl": "KL {:.4f} nats a token",
    "extra_mb": "{:.1f} MB besides the cache",
}
"""How the figures are said to people."""
_STYLE = """
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #222; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 0.4rem; }
h3 { margin: 0; font: 600 0.9rem ui-monospace, monospace; } p, li { white-space: pre-wrap; overflow-wrap: anywhere; }
article { margin: 0.7rem 0; padding: 0.6rem 0.9rem; border: 1px solid #ccc; border-radius: 8px; }
article p { margin: 0.3rem 0; } small { color: #575d6b; }
.times { display: grid; grid-template-columns: auto 1fr auto; gap: 0.2rem 0.7rem; align-items: center; }
.times i { height: 0.8rem; background: #4f46e5; } .times span { font-size: 0.85rem; }
"""


def page_of(document: str, model: str, groups: list[list[dict[str, Any]]]) -> str:
    """The whole page, `groups` the records of each question; what a document or an answer says is never markup."""
    body = [f"<h1>{escape(document)}</h1><p><small>Model: {escape(model)}</small></p>"]
    for records in groups:
        for first in records[:1]:
            edits = "".join(f"<li>{escape(said_of(edit))}</li>" for edit in first["erased"])
            body += [f"<h2>{escape(first['question'])}</h2>", f"<ul>{edits}</ul>" if edits else "", _times(records)]
        body += map(_answer, records)
    head = f'<meta charset="utf-8"><title>{escape(document)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


def said_of(edit: dict[str, Any]) -> str:
    """An edit in a line: what was there, if that is not left out, and what took its place."""
    kind = "replaced" if edit["new_text"] else "erased"
    what = f"characters {edit['start']} to {edit['end']}" if edit["text"] is None else edit["text"]
    return f"{kind}: {what}" + (f" → {edit['new_text']}" if edit["new_text"] else "")


def figures_of(record: dict[str, Any]) -> str:
    """The figures of an answer, with their units."""
    extra = record["extra_bytes"]
    known = record | {"extra_mb": None if extra is None else extra / 2**20}
    return ", ".join(said.format(known[name]) for name, said in _SAID.items() if known[name] is not None)


def _times(records: list[dict[str, Any]]) -> str:
    """A bar for each of several answers: the time to its first token."""
    known = [record for record in records if record["ttft_s"] is not None and not record["error"]]
    if len(known) < 2:
        return ""
    longest = max(record["ttft_s"] for record in known) or 1.0
    bars = [
        f"<span>{escape(record['method'])}</span>"
        f'<i style="width: {100 * record["ttft_s"] / longest:.1f}%"></i><span>{record["ttft_s"]:.2f} s</span>'
        for record in known
    ]
    return f'<p><small>Seconds to the first token</small></p><div class="times">{"".join(bars)}</div>'


def _answer(record: dict[str, Any]) -> str:
    instead = ran_instead(record["method"], record["ran"])
    parts = [f"<h3>{escape(record['method'])}</h3>", f"<p>{escape(record['answer'] or record['error'] or '')}</p>"]
    parts += [f"<p><strong>{escape(record['verdict'])}</strong></p>"] if record["verdict"] else []
    parts += [f"<p><small>{WORDS['en'][instead]}</small></p>"] if instead else []
    return f"<article>{''.join(parts)}<p><small>{escape(figures_of(record))}</small></p></article>"
