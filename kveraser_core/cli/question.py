"""`ask` and `compare`: one document, one question, one or more erase methods."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from transformers.utils.logging import disable_progress_bar

from kveraser_core.cli.output import warn
from kveraser_core.cli.text import load
from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span, SpanError
from kveraser_core.methods import REFERENCE, get_method, usable
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Sampling
from kveraser_core.sessions.answers import FIGURES, Answer, figures, measured
from kveraser_core.sessions.exactness import check_exact
from kveraser_core.sessions.passages import FoundPassage
from kveraser_core.sessions.segments import GAP
from kveraser_core.sessions.session import DocumentSession

if TYPE_CHECKING:
    from kveraser_core.documents.similar.evidence import Evidence

_SHOWN = ("erase_s", "question_prefill_s", "ttft_s", "decode_tokens_per_s", "agreement", "kl", "extra_bytes")
"""The figures that `--json` prints."""


def run(options: argparse.Namespace) -> None:
    """Answer as `options` say and print to standard output."""
    for name in options.method or ():
        get_method(name)
    exact = options.command == "ask" and options.exact
    for name in options.method or ():
        check_exact(name, exact)
    sampling = Sampling(
        options.temperature,
        options.top_p,
        options.max_tokens,
        tuple(options.stop),
        options.seed,
        loops=False,
        brief=not options.long,
    )
    document = load(options)
    also = [load(argparse.Namespace(**vars(options) | {"file": file, "pages": None})) for file in options.also]
    text = GAP.join(part.text for part in (document, *also))
    found = [FoundPassage.of(text, *wanted) for wanted in wanted_edits(options)]
    session = read(options, document)
    for further in also:
        session.append(further.text, "document", further.title)
    mark(session, options, found)
    methods = options.method or (
        usable(session.backbone) if options.command == "compare" else [session.default_method]
    )
    if exact:
        with _progress() as bar:
            task = bar.add_task("Recomputing", total=None)
            session.make_exact(lambda done, total: bar.update(task, completed=done, total=total))
        methods = [REFERENCE]
    if options.command == "ask" and len(methods) == 1:
        answers = [_stream(session, options.question, methods[0], sampling, shown=not options.json)]
    else:
        answers = session.compare(options.question, methods, sampling=sampling)
    shown = as_json(session, options.question, answers, found)
    evidence = [_evidence(session, answer) for answer in answers] if options.evidence else []
    if options.json:
        for method, its in zip(shown["methods"], evidence, strict=False):
            method["evidence"] = its.as_json(session.document)
        print(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        _print_tables(session, answers, found)
        for answer, its in zip(answers, evidence, strict=False):
            _print_evidence(session.document, answer, its)


def as_json(
    session: DocumentSession, question: str, answers: list[Answer], found: list[FoundPassage]
) -> dict[str, Any]:
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
                "new_text": span.new_text,
            }
            for span in session.spans
        ],
        "passages": [passage.as_json(session) for passage in found],
        "question": question,
        "methods": [
            {
                "name": answer.method,
                "ran": answer.ran,
                "exact": answer.exact,
                "answer": answer.text if answer.error is None else None,
                "tokens": len(answer.token_ids),
                **{name: figure for name, figure in measured(answer).items() if name in _SHOWN},
                "error": answer.failure,
            }
            for answer in answers
        ],
    }


def wanted_edits(options: argparse.Namespace) -> list[tuple[str, bool, str]]:
    """The passages to erase and to replace by their text, whether as whole words, and what takes their place."""
    erased = [(passage, options.whole_words, "") for passage in options.erase]
    return erased + [(passage, options.whole_words, new_text) for passage, new_text in options.replace]


def mark(session: DocumentSession, options: argparse.Namespace, found: list[FoundPassage]) -> None:
    """Make all edits that `options` name, at the next question."""
    erased = [span for passage in found if not passage.new_text for span in passage.spans]
    session.mark([*(Span(*pair) for pair in options.erase_range), *erased])
    for place, new_text in options.replace_range:
        session.mark([range_of(place)], new_text)
    for passage in found:
        if passage.new_text:
            session.mark(passage.spans, passage.new_text)


def range_of(place: str) -> Span:
    """The span that `A:B` stands for. Raises `SpanError`."""
    first, _, last = place.partition(":")
    if not first.isdecimal() or not last.isdecimal():
        raise SpanError(f"{place!r} is not A:B, two character offsets.")
    return Span(int(first), int(last))


def read(options: argparse.Namespace, document: Document) -> DocumentSession:
    """The session of `document` on the model that `options` name, its progress on standard error."""
    disable_progress_bar()
    backbone = Backbone.load(options.model, options.eraser, options.device)
    warn(backbone.description)
    with _progress() as bar:
        task = bar.add_task("Prefilling", total=None)
        return DocumentSession.load(
            backbone,
            document,
            lambda done, total: bar.update(task, completed=done, total=total),
            exact_soon=False,  # the process ends with the answer
        )


def _progress() -> Progress:
    return Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def _stream(session: DocumentSession, question: str, method: str, sampling: Sampling, shown: bool) -> Answer:
    for piece in session.stream(question, method, sampling=sampling):
        if isinstance(piece, Answer):
            answer = piece
        elif shown:
            print(piece, end="", flush=True)
    if shown:
        print("\n")
    return answer


def _evidence(session: DocumentSession, answer: Answer) -> "Evidence":
    from kveraser_core.documents.similar.evidence import EvidenceFinder  # its sentence model is an extra

    finder = EvidenceFinder(session.document.text)
    return finder.find(answer.question, answer.text, [span.characters for span in session.spans])


def _print_evidence(document: Document, answer: Answer, evidence: "Evidence") -> None:
    out = Console(highlight=False, markup=False)
    out.print(
        f"{answer.method} rests on:" if evidence.passages else f"{answer.method}: nothing in the document says so."
    )
    for passage in evidence.passages:
        page = f"page {document.page_at(passage.span.start)}, " if document.page_count > 1 else ""
        out.print(f"  {page}offset {passage.span.start}: {' '.join(passage.text.split())}", soft_wrap=True)
    if evidence.absent:
        out.print(f"  not in the document: {', '.join(evidence.absent)}", soft_wrap=True)


def _print_tables(session: DocumentSession, answers: list[Answer], found: list[FoundPassage]) -> None:
    out = Console(highlight=False, markup=False)
    edited = [(bool(span.new_text), f"{span.tokens} tokens at {span.characters.start}") for span in session.spans]
    erased = ", ".join(said for replaced, said in edited if not replaced) or "nothing"
    out.print(f"{session.document.title}: {session.tokens:,} tokens in context, erased: {erased}", end="")
    replaced = ", ".join(said for replaced, said in edited if replaced)
    out.print(f", replaced: {replaced}" if replaced else "")
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
