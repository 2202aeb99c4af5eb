"""`answers`: measure the model's own answers and the passages shown with them."""

import argparse
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from transformers.utils.logging import disable_progress_bar

from kveraser_core.evaluation.answer_quality import rate_answers, write_answer_report
from kveraser_core.evaluation.runner import RESULTS, read_results
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Sampling
from kveraser_core.tasks.document_qa import QuestionFile


def run(options: argparse.Namespace) -> None:
    """Ask as `options` say; results and report go to `options.out`."""
    disable_progress_bar()
    backbone = Backbone.load(options.model, device=options.device)
    questions = QuestionFile(backbone, options.qa, slice(*options.articles))
    sampling = Sampling(max_tokens=128, loops=False, brief=not options.long)
    out = Path(options.out)
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("Asking", total=None)
        rate_answers(
            backbone,
            questions,
            options.n,
            options.seed,
            sampling,
            out,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    write_answer_report(read_results(out / RESULTS), shlex.join(["kveraser", *options.typed]), out)
    print(out / "report.md")
