"""`evaluate`: measure erase methods on held-out text and write the report."""

import argparse
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from transformers.utils.logging import disable_progress_bar

from kveraser_core.cli.output import warn
from kveraser_core.evaluation.plots import write_plots
from kveraser_core.evaluation.report import write_report
from kveraser_core.evaluation.runner import RESULTS, Plan, evaluate, read_results, usable_methods
from kveraser_core.model.backbone import Backbone
from kveraser_core.tasks.corpus import Corpus
from kveraser_core.tasks.document_qa import QuestionFile
from kveraser_core.tasks.held_out import TASKS, check_tasks


def run(options: argparse.Namespace) -> None:
    """Evaluate as `options` say; results and report go to `options.out`."""
    disable_progress_bar()
    backbone = Backbone.load(options.model, options.eraser, options.device)
    warn(backbone.description)
    questions = QuestionFile(backbone, options.qa, slice(*options.articles)) if options.qa else None
    tasks = list(TASKS) if options.tasks == ["all"] else options.tasks
    check_tasks(tasks, questions)
    plan = Plan(tasks, usable_methods(backbone, options.methods), options.lengths, options.n, options.seed)
    out = Path(options.out)
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("Evaluating", total=None)
        evaluate(
            backbone,
            Corpus(backbone, options.corpus),
            questions,
            plan,
            out,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    rows = read_results(out / RESULTS)
    write_report(rows, shlex.join(["kveraser", *options.typed]), out)
    write_plots(rows, out)
    print(out / "report.md")
