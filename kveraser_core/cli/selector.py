"""`train selector`: fit the weights by which stale tokens are chosen, and write them beside an eraser."""

import argparse
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from transformers.utils.logging import disable_progress_bar

from kveraser_core.cli.output import warn
from kveraser_core.model.backbone import Backbone
from kveraser_core.tasks.corpus import Corpus
from kveraser_core.tasks.document_qa import QuestionFile
from kveraser_core.training.mixture import FINETUNE, PRETRAIN, Mixture
from kveraser_core.training.selector import fit_selector, save_selector


def run(options: argparse.Namespace) -> None:
    """Fit as `options` say; `selector.json` goes to `options.out`."""
    disable_progress_bar()
    backbone = Backbone.load(options.model, options.eraser, options.device)
    warn(backbone.description)
    questions = QuestionFile(backbone, options.qa, slice(*options.articles)) if options.qa else None
    shares = dict(FINETUNE if questions else PRETRAIN)
    mixture = Mixture(Corpus(backbone, options.corpus), questions, shares, options.shortest, options.longest)
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("Fitting", total=None)
        selector = fit_selector(
            backbone,
            mixture,
            options.examples,
            options.answers,
            options.seed,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    selector["fitted_on"]["command"] = shlex.join(["kveraser", *options.typed])
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    save_selector(selector, out)
    print(out / "selector.json")
