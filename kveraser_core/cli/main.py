"""The command line: `python -m kveraser_core ask | compare | report | text | train | evaluate | answers | bench`.

Answers and tables go to standard output, progress and errors to standard error. Exit code 0 is success,
2 is something the user can put right, said in one sentence.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields

from kveraser_core.cli.measuring_options import answers_options, bench_options, evaluation_options
from kveraser_core.cli.options import (
    articles_option,
    document_options,
    edit_options,
    model_options,
)
from kveraser_core.cli.output import warn, write_whatever_comes
from kveraser_core.errors import KVEraserError
from kveraser_core.training.recipe import TRACKERS, Recipe


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    options.typed = list(sys.argv[1:] if arguments is None else arguments)
    write_whatever_comes()
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        options.run(options)
    except KVEraserError as error:
        warn(str(error))
        return 2
    except ModuleNotFoundError as error:
        extra = {_train: "train", _question: "app", _report: "app", _answers: "app"}.get(options.run, "bench")
        warn(f"{error.name} is not installed: install it, or kveraser with its extra [{extra}].")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kveraser", description="Question a long document, and make the model forget or correct passages of it."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text in (
        ("ask", "answer a question, with some passages erased"),
        ("compare", "answer it with every erase method and compare"),
    ):
        command = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        command.set_defaults(run=_question, command=name)
        _question_options(command)
        if name == "ask":
            command.add_argument(
                "--exact", action="store_true", help="recompute all that comes after what is erased, and answer then"
            )
    shown = commands.add_parser(
        "text",
        help="print the text of a document",
        description="Print the text of a document, each line after the offset of its first character, as --erase "
        "and --erase-range count them. What was not read of it is said on standard error.",
    )
    shown.set_defaults(run=_text)
    document_options(shown)
    shown.add_argument("--json", action="store_true", help="print one JSON object")
    report = commands.add_parser(
        "report",
        help="measure what is left of erased and replaced passages",
        description="Measure what is left of erased and replaced passages, beside the document as it was, the exact "
        "context and none. It takes about three times as long as prefilling the document.",
    )
    report.set_defaults(run=_report)
    _report_options(report)
    train = commands.add_parser("train", help="train an eraser", description="Train an eraser, in two stages.")
    stages = train.add_subparsers(required=True, metavar="STAGE", dest="stage")
    first = stages.add_parser("pretrain", help="stage 1, on running text: erase a foreign chunk of it")
    second = stages.add_parser("finetune", help="stage 2, on a mixture of tasks")
    second.add_argument("--from", dest="start", required=True, metavar="DIR", help="the eraser of stage 1")
    second.add_argument("--qa", required=True, metavar="FILE", help="questions in SQuAD v1.1 format")
    articles_option(second)
    for stage in (first, second):
        stage.set_defaults(run=_train)
        _training_options(stage)
    choice = stages.add_parser("selector", help="which suffix tokens kveraser_repair recomputes with an eraser")
    choice.set_defaults(run=_selector)
    _selector_options(choice)
    measure = commands.add_parser("evaluate", help="measure erase methods on held-out text")
    measure.set_defaults(run=_evaluate)
    evaluation_options(measure)
    rated = commands.add_parser(
        "answers",
        help="measure how good answers are",
        description="Ask questions of a SQuAD file, each over its own paragraph with nothing erased, and measure the "
        "answers and the passages that are shown with them.",
    )
    rated.set_defaults(run=_answers)
    answers_options(rated)
    bench = commands.add_parser(
        "bench",
        help="measure time and memory",
        description="Measure time and memory of erasing and answering, beside other programs and the machine's "
        "limits. The defaults take some minutes; all methods, peers, spans and positions up to 32,768 tokens take "
        "hours, most of them spent by full_recompute, fresh_prefill and the peers: --budget bounds them.",
    )
    bench.set_defaults(run=_bench)
    bench_options(bench)
    return parser


def _training_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    model_options(command)
    add("--corpus", nargs="+", required=True, metavar="PATH", help="folders or files of running text")
    add("--out", required=True, metavar="DIR", help="where the eraser goes; a run stopped there goes on")
    add("--threads", type=int, metavar="N", help="CPU threads of each process")
    add("--config", metavar="FILE", help="a recipe in YAML; options given besides take precedence")
    add("--validation", nargs="+", metavar="PATH", help="running text to validate on, not trained on")
    add("--tracker", choices=TRACKERS, help="where metrics go besides metrics.jsonl")
    for field in fields(Recipe):
        kind = type(field.default)
        add(
            f"--{field.name.replace('_', '-')}",
            type=kind,
            metavar={int: "N", float: "R", str: "NAME"}[kind],
            help=f"{field.metadata['help']} (default {field.default})",
        )


def _selector_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    model_options(command)
    add("--eraser", metavar="PATH", help="a kveraser_lookahead eraser; default: the shipped one")
    add("--corpus", nargs="+", required=True, metavar="PATH", help="folders or files of running text")
    add("--qa", metavar="FILE", help="questions in SQuAD v1.1 format")
    articles_option(command)
    add("--examples", type=int, default=48, metavar="N", help="for the weights fitted to states (default 48)")
    add("--answers", type=int, default=24, metavar="N", help="for the weight chosen by answers (default 24)")
    add("--shortest", type=int, default=300, metavar="N", help="tokens of the shortest context (default 300)")
    add("--longest", type=int, default=700, metavar="N", help="tokens of the longest context (default 700)")
    add("--seed", type=int, default=0, metavar="N")
    add("--out", required=True, metavar="DIR", help="the eraser's folder, where selector.json goes")


def _question_options(command: argparse.ArgumentParser) -> None:
    document_options(command)
    add = command.add_argument
    add("question", metavar="QUESTION")
    add("--also", action="append", default=[], metavar="FILE", help="a further document after the first (repeatable)")
    edit_options(command)
    add(
        "--method",
        action="append",
        metavar="NAME",
        help="an erase method; local_repair:K and kveraser_repair:K recompute K tokens (repeatable)",
    )
    model_options(command)
    add("--eraser", metavar="PATH", help="a PEFT LoRA adapter, folder or hub id; default: the shipped one")
    add("--max-tokens", type=int, default=128, metavar="N", help="longest answer, in tokens (default 128)")
    add("--temperature", type=float, default=0.0, metavar="T", help="0 is greedy (default)")
    add("--top-p", type=float, default=1.0, metavar="P")
    add("--seed", type=int, default=0, metavar="N", help="of sampling, above temperature 0")
    add("--stop", action="append", default=[], metavar="TEXT", help="end the answer before TEXT (repeatable)")
    add("--long", action="store_true", help="let an answer go on after its first sentence")
    add("--evidence", action="store_true", help="show the passages that an answer may rest on")
    add("--json", action="store_true", help="print one JSON object")


def _report_options(command: argparse.ArgumentParser) -> None:
    document_options(command)
    edit_options(command)
    add = command.add_argument
    add("--ask", action="append", default=[], metavar="QUESTION", help="a question to measure by (repeatable)")
    add("--method", metavar="NAME", help="the erase method; default: the one that ask takes")
    model_options(command)
    add("--eraser", metavar="PATH", help="a PEFT LoRA adapter, folder or hub id; default: the shipped one")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--html", action="store_true", help="print one HTML page")


def _question(options: argparse.Namespace) -> None:
    from kveraser_core.cli.question import (
        run,
    )  # torch loads here, after the arguments are known to be right

    run(options)


def _text(options: argparse.Namespace) -> None:
    from kveraser_core.cli.text import run

    run(options)


def _report(options: argparse.Namespace) -> None:
    from kveraser_core.cli.report import run

    run(options)


def _train(options: argparse.Namespace) -> None:
    from kveraser_core.cli.train import run

    run(options)


def _selector(options: argparse.Namespace) -> None:
    from kveraser_core.cli.selector import run

    run(options)


def _evaluate(options: argparse.Namespace) -> None:
    from kveraser_core.cli.evaluate import run

    run(options)


def _answers(options: argparse.Namespace) -> None:
    from kveraser_core.cli.answers import run

    run(options)


def _bench(options: argparse.Namespace) -> None:
    from kveraser_core.cli.bench import run

    run(options)
