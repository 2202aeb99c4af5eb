"""Start the web app on this machine."""

import argparse
from collections.abc import Sequence

from rich.console import Console

from app.page import Page
from app.server import serve
from app.store import SessionStore
from app.tokens import chosen_token
from kveraser_core.backbone import Backbone
from kveraser_core.errors import KVEraserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the model and serve the page until interrupted. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="app.py", description="Question documents and erase passages of them.")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1: this machine only")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument(
        "--token",
        help="what is asked of who opens the page or calls it; default: none on this "
        "machine, and a new one with another --host",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name, with or without port, under which the page is opened; can be repeated",
    )
    parser.add_argument("--model", help="a model folder or hub id; default: the packaged model")
    parser.add_argument("--eraser", help="a PEFT LoRA adapter, folder or hub id; default: the shipped one")
    options = parser.parse_args(arguments)
    try:
        token = chosen_token(options.token, options.host)
        backbone = Backbone.load(options.model, options.eraser)
        store = SessionStore()
        serve(Page(backbone, store).blocks, store, options.host, options.port, token, options.allow_host)
    except KVEraserError as error:
        Console(stderr=True, markup=False).print(f"kveraser: {error}")
        return 2
    return 0
