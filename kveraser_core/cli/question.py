"""`ask` and `compare`: one document, one question, one or more erase methods."""

import argparse
import json
import sys

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from transformers.utils.logging import disable_progress_bar

from kveraser_core.cli.output import warn
from kveraser_core.cli.text import load
from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span
from kveraser_core.methods import get_method, usable
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Sampling
from kveraser_core.sessions.answers import FIGURES, Answer, figures
from kveraser_core.sessions.passages import FoundPassage
from kveraser_core.sessions.session import DocumentSession


def run(options: argparse.Namespace) -> None:
    """Answer as `options` say and print to standard output."""
    for name in options.method or ():
        get_method(name)
    sampling = Sampling(options.temperature, options.top_p, options.max_tokens, tuple(options.stop), options.seed)
    document = load(options)
    found = [FoundPassage.of(document.text, passage, options.whole_words) for passage in options.erase]
    spans = [Span(*pair) for pair in options.erase_range]
    spans += [span for passage in found for span in passage.spans]
    session = _read(options, document)
    session.mark(spans)
    methods = options.method or (
        usable(session.backbone) if options.command == "compare" else [session.default_method]
    )
    if options.command == "ask" and len(methods) == 1:
        answers = [_stream(session, options.question, methods[0], sampling, shown=not options.json)]
    else:
        answers = list(session.compare(options.question, methods, sampling=sampling))
    if options.json:
        print(json.dumps(as_json(session, options.question, answers, found), ensure_ascii=False, indent=2))
    else:
        _print_tables(session, answers, found)


def as_json(
    session: DocumentSession, question: str, answers: list[Answer], found: list[FoundPassage]
) -> dict[str, object]:
    """The object that `--json` prints; docs/cli.md documents it. Times are seconds, `kl` nats a token."""
    eraser = session.backbone.eraser
    return {
        "document": session.document.title,
        "warnings": session.document.warnings,
        "model": session.backbone.name,
        "eraser": eraser.source if eraser else None,
        "context_tokens": session.tokens,
        "spans": [
            {
                "start": span.characters.start,
                "end": span.characters.end,
                "text": span.text,
                "tokens": span.tokens,
            }
            for span in session.spans
        ],
        "passages": [passage.as_json(session) for passage in found],
        "question": question,
        "methods": [
            {
                "name": answer.method,
                "ran": answer.ran,
                "answer": answer.text if answer.error is None else None,
                "erase_s": answer.erase_s,
                "question_prefill_s": answer.question_prefill_s,
                "ttft_s": answer.ttft_s,
                "decode_tokens_per_s": answer.decode_tokens_per_s,
                "tokens": len(answer.token_ids),
                "agreement": answer.agreement,
                "kl": answer.kl,
                "extra_bytes": answer.extra_bytes,
                "error": answer.failure,
            }
            for answer in answers
        ],
    }


def _read(options: argparse.Namespace, document: Document) -> DocumentSession:
    disable_progress_bar()
    backbone = Backbone.load(options.model, options.eraser, options.device)
    warn(backbone.description)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("Prefilling", total=None)
        return DocumentSession.load(
            backbone, document, lambda done, total: bar.update(task, completed=done, total=total)
        )


def _stream(session: DocumentSession, question: str, method: str, sampling: Sampling, shown: bool) -> Answer:
    for piece in session.stream(question, method, sampling=sampling):
        if isinstance(piece, Answer):
            answer = piece
        elif shown:
            print(piece, end="", flush=True)
    if shown:
        print("\n")
    return answer


def _print_tables(session: DocumentSession, answers: list[Answer], found: list[FoundPassage]) -> None:
    out = Console(highlight=False, markup=False)
    erased = ", ".join(f"{span.tokens} tokens at {span.characters.start}" for span in session.spans) or "nothing"
    out.print(f"{session.document.title}: {session.tokens:,} tokens in context, erased: {erased}")
    for passage in found:
        out.print(*passage.sentences(session), soft_wrap=True)
    table = Table(box=SIMPLE, pad_edge=False, padding=0)
    table.add_column("method", no_wrap=True)
    for column in FIGURES:
        table.add_column(column, justify="right", min_width=max(map(len, column.split())))
    for answer in answers:
        if answer.error is None:
            table.add_row(answer.method, *figures(answer))
    out.print(table)
    for answer in answers:
        if answer.error is not None or len(answers) > 1:
            out.print(f"{answer.method}: {answer.error or answer.text}", soft_wrap=True)
        if answer.is_exact_anyway:
            out.print(
                f"{answer.method} would have recomputed the whole suffix: {answer.ran} ran, which is exact.",
                soft_wrap=True,
            )
