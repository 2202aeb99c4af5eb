"""Options that several commands have, and how their values are read."""

import argparse
from collections.abc import Callable


def document_options(command: argparse.ArgumentParser) -> None:
    """A document, and how it is read."""
    add = command.add_argument
    add("file", metavar="FILE", help="a document: PDF, Office, OpenDocument, EPUB, RTF, HTML, e-mail, text")
    add("--pages", type=pair("-", "A-B, two page numbers"), metavar="A-B", help="take only these pages")
    add("--password", help="the password of an encrypted PDF")
    add("--encoding", metavar="NAME", help="the encoding of a text or HTML file, where it is taken for another")


def edit_options(command: argparse.ArgumentParser) -> None:
    """What is erased and replaced."""
    add = command.add_argument
    add(
        "--erase",
        action="append",
        default=[],
        metavar="TEXT",
        help="erase every occurrence of TEXT (repeatable)",
    )
    add(
        "--replace",
        action="append",
        default=[],
        nargs=2,
        metavar=("OLD", "NEW"),
        help="put NEW in the place of every occurrence of OLD (repeatable)",
    )
    add(
        "--replace-range",
        action="append",
        default=[],
        nargs=2,
        metavar=("A:B", "NEW"),
        help="put NEW in the place of the characters from A up to B (repeatable)",
    )
    add("--whole-words", action="store_true", help="--erase and --replace take no part of a longer word or number")
    add(
        "--erase-range",
        action="append",
        default=[],
        type=pair(":", "A:B, two character offsets"),
        metavar="A:B",
        help="erase the characters from A up to B (repeatable)",
    )


def model_options(command: argparse.ArgumentParser) -> None:
    """The model, and where it runs."""
    command.add_argument(
        "--model", metavar="ID", help="a GGUF file, model folder or hub id; default: the packaged model"
    )
    command.add_argument("--device", help="cuda, mps or cpu; default: the first there is")


def names(text: str) -> list[str]:
    """Names between commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def numbers(text: str) -> list[int]:
    """Whole numbers between commas."""
    if not all(name.isdigit() for name in names(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers")
    return [int(name) for name in names(text)]


def pair(separator: str, form: str) -> Callable[[str], tuple[int, int]]:
    """How two whole numbers with `separator` between them are read; an error says `form`."""

    def parse(text: str) -> tuple[int, int]:
        first, found, last = text.partition(separator)
        if not found or not first.strip().isdigit() or not last.strip().isdigit():
            raise argparse.ArgumentTypeError(f"{text!r} is not {form}")
        return int(first), int(last)

    return parse


def articles_option(command: argparse.ArgumentParser) -> None:
    """Which articles of a question file."""
    command.add_argument(
        "--articles",
        type=pair(":", "A:B, two article numbers"),
        default=(0, None),
        metavar="A:B",
        help="use only these articles of the question file, from 0 up to but without B",
    )
