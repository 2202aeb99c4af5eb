"""`text`: the text of a document as every offset counts it."""

import argparse
import json

from kveraser_core.cli.output import warn
from kveraser_core.documents import Document, load_document


def load(options: argparse.Namespace) -> Document:
    """The document that `options` name; its warnings go to standard error. Raises a `DocumentError`."""
    document = load_document(options.file, password=options.password, encoding=options.encoding)
    for warning in document.warnings:
        warn(warning)
    return document.pages(*options.pages) if options.pages else document


def run(options: argparse.Namespace) -> None:
    """Print the text: each line after the offset of its first character, or one object."""
    document = load(options)
    if options.json:
        print(json.dumps(as_json(document), ensure_ascii=False, indent=2))
        return
    first = options.pages[0] if options.pages else 1
    starts = {start: number for number, start in enumerate(document.page_starts, first)}
    width = len(str(len(document.text)))
    offset = 0
    for line in document.text.split("\n"):
        if offset in starts and (document.page_count > 1 or options.pages):
            print(f"{'page':>{width}}  {starts[offset]}")
        print(f"{offset:>{width}}  {line}")
        offset += len(line) + 1


def as_json(document: Document) -> dict[str, object]:
    """The object that `--json` prints; docs/cli.md documents it."""
    return {
        "document": document.title,
        "page_starts": document.page_starts,
        "warnings": document.warnings,
        "text": document.text,
    }
