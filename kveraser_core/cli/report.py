"""`report`: what is left of erased and replaced passages, measured."""

import argparse
import json
import shlex
import sys

from rich.console import Console
from rich.progress import Progress

from kveraser_core.cli.question import mark, read, wanted_edits
from kveraser_core.cli.text import load
from kveraser_core.methods import get_method
from kveraser_core.sessions.passages import FoundPassage
from kveraser_core.sessions.report import LIMITS, ErasureReport
from kveraser_core.sessions.report_html import as_html


def run(options: argparse.Namespace) -> None:
    """Measure as `options` say and print the report to standard output."""
    if options.method:
        get_method(options.method)
    document = load(options)
    found = [FoundPassage.of(document.text, *wanted) for wanted in wanted_edits(options)]
    session = read(options, document)
    mark(session, options, found)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("Measuring", total=1.0)
        command = shlex.join(["kveraser", *options.typed])
        report = session.report(
            options.ask,
            options.method or session.default_method,
            command,
            lambda share: bar.update(task, completed=share),
        )
    if options.html:
        print(as_html(report), end="")
    elif options.json:
        print(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        _print(report)


def _print(report: ErasureReport) -> None:
    out = Console(highlight=False, markup=False, soft_wrap=True)
    about = report.about
    out.print(f"{about['document']}, {about['method']} on {about['model']}: {report.sentence()}")
    for one in report.passages:
        verb = "replaced" if one.passage.new_text else "erased"
        out.print(f"page {one.page}, {one.passage.tokens} tokens {verb}: {' '.join(one.passage.text.split())}")
        out.print(f"  {report.sentence(one)}")
        for copy in one.copies:
            said = "It is still said" if copy.literal else "Something like it is said"
            out.print(f"  {said} on page {copy.page}: {' '.join(copy.text.split())}")
    for question in report.questions:
        out.print(f"{question.question} KL from exact {question.kl['edited']:.2g}, noise {question.noise:.2g}")
        for name in ("original", "edited", "exact"):
            out.print(f"  {name}: {' '.join(question.answers[name].split())}")
    if report.control:
        found = "find" if report.control.found else "do not find"
        out.print(f"The same probes {found} a passage of page {report.control.page} that was not edited.")
    out.print(LIMITS)
