"""The command line: `python -m kveraser_core ask | compare`.

Answers and tables go to standard output, progress and errors to standard error. Exit code 0 is success,
2 is something the user can put right, said in one sentence.
"""

import argparse
import os
from collections.abc import Callable, Sequence

from rich.console import Console

from kveraser_core.errors import KVEraserError

_errors = Console(stderr=True, highlight=False, markup=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        options.run(options)
    except KVEraserError as error:
        _errors.print(f"kveraser: {error}", soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kveraser", description="Question a long document, and make the model forget passages of it."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text in (
        ("ask", "answer a question, with some passages erased"),
        ("compare", "answer it with every erase method and compare"),
    ):
        command = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        command.set_defaults(run=_question, command=name)
        _question_options(command)
    return parser


def _question_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("file", metavar="FILE", help="a PDF, DOCX, HTML, Markdown or text file")
    add("question", metavar="QUESTION")
    add(
        "--erase",
        action="append",
        default=[],
        metavar="TEXT",
        help="erase every occurrence of TEXT (repeatable)",
    )
    add(
        "--erase-range",
        action="append",
        default=[],
        type=_range(":", "A:B, two character offsets"),
        metavar="A:B",
        help="erase the characters from A up to B (repeatable)",
    )
    add("--pages", type=_range("-", "A-B, two page numbers"), metavar="A-B", help="read only these pages")
    add("--password", help="the password of an encrypted PDF")
    add("--method", action="append", metavar="NAME", help="an erase method (repeatable)")
    add("--model", metavar="ID", help="a model folder or hub id; default: the packaged model")
    add("--eraser", metavar="PATH", help="a PEFT LoRA adapter, folder or hub id; default: the shipped one")
    add("--device", help="cuda, mps or cpu; default: the first there is")
    add("--max-tokens", type=int, default=128, metavar="N", help="longest answer, in tokens (default 128)")
    add("--temperature", type=float, default=0.0, metavar="T", help="0 is greedy (default)")
    add("--top-p", type=float, default=1.0, metavar="P")
    add("--stop", action="append", default=[], metavar="TEXT", help="end the answer before TEXT (repeatable)")
    add("--json", action="store_true", help="print one JSON object")


def _range(separator: str, form: str) -> Callable[[str], tuple[int, int]]:
    def parse(text: str) -> tuple[int, int]:
        first, found, last = text.partition(separator)
        if not found or not first.strip().isdigit() or not last.strip().isdigit():
            raise argparse.ArgumentTypeError(f"{text!r} is not {form}")
        return int(first), int(last)

    return parse


def _question(options: argparse.Namespace) -> None:
    from kveraser_core.question_command import (
        run,
    )  # torch loads here, after the arguments are known to be right

    run(options)
