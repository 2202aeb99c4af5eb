"""`train pretrain` and `train finetune`: the two stages of training an eraser."""

import argparse
import sys
from dataclasses import fields, replace
from pathlib import Path

import torch
from accelerate import PartialState
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers.utils.logging import disable_progress_bar

from kveraser_core.cli.output import warn
from kveraser_core.model.backbone import Backbone
from kveraser_core.tasks.corpus import Corpus
from kveraser_core.tasks.document_qa import QuestionFile
from kveraser_core.training.mixture import FINETUNE, PRETRAIN, Mixture
from kveraser_core.training.model_card import write_model_card
from kveraser_core.training.recipe import BadRecipe, Recipe
from kveraser_core.training.trainer import train


def run(options: argparse.Namespace) -> None:
    """Train as `options` say; the eraser, its metrics, loss curve and model card go to `options.out`."""
    disable_progress_bar()
    given = {field.name: getattr(options, field.name) for field in fields(Recipe)}
    settings = Recipe.values(Path(options.config)) if options.config else {}
    recipe = Recipe(**settings | {name: value for name, value in given.items() if value is not None})
    if recipe.validate_every and not options.validation:
        raise BadRecipe("Validation needs text that is not trained on: give it with --validation.")
    if options.threads:
        torch.set_num_threads(options.threads)
    backbone = Backbone.load(options.model, None, options.device)
    warn(backbone.description)
    corpus = Corpus(backbone, options.corpus)
    finetune = options.stage == "finetune"
    questions = QuestionFile(backbone, options.qa, slice(*options.articles)) if finetune else None
    shares = FINETUNE if finetune else PRETRAIN
    mixture = Mixture(corpus, questions, dict(shares), recipe.shortest, recipe.longest)
    validation = replace(mixture, corpus=Corpus(backbone, options.validation)) if options.validation else None
    out = Path(options.out)
    processes = PartialState(cpu=backbone.device.type == "cpu")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=Console(stderr=True), disable=not (sys.stderr.isatty() and processes.is_main_process)
    ) as bar:
        task = bar.add_task("training", total=recipe.steps)
        train(
            backbone,
            mixture,
            recipe,
            out,
            Path(options.start) if finetune else None,
            lambda step, loss, seconds: bar.update(task, completed=step, description=f"loss {loss:.4f}"),
            validation,
            options.tracker,
        )
    if not processes.is_main_process:
        return
    names = corpus.files
    if questions:
        first, last = options.articles
        names = [*names, f"{questions.name} (articles {first + 1} to {last or 'the last'})"]
    write_model_card(out, backbone.name, recipe, names, shares)
    print(out)
