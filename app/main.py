"""Start the web app on this machine."""

import argparse
import signal
from collections.abc import Sequence

from rich.console import Console

from app.hosts import Hosts
from app.listener import listening
from app.tokens import chosen_token
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
    parser.add_argument("--model", help="a GGUF file, model folder or hub id; default: the packaged model")
    parser.add_argument("--eraser", help="a PEFT LoRA adapter, folder or hub id; default: the shipped one")
    parser.add_argument(
        "--memory", type=_megabytes, metavar="MB", help="for everybody's documents; default: half of what is free"
    )
    parser.add_argument(
        "--approximate", action="store_true", help="do not recompute edits in the background to make answers exact"
    )
    options = parser.parse_args(arguments)
    try:
        _serve(options)
    except KVEraserError as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _serve(options: argparse.Namespace) -> None:
    token = chosen_token(options.token, options.host)
    with listening(options.host, options.port) as listener:
        hosts = Hosts(options.host, listener.getsockname()[1], options.allow_host)
        from app.page import Page  # Gradio and torch load here, after the address is known to be free
        from app.server import serve
        from app.store import SessionStore
        from kveraser_core.model.backbone import Backbone
        from kveraser_core.sessions.memory import free_bytes

        backbone = Backbone.load(options.model, options.eraser)
        _say(backbone.description)
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, signal.default_int_handler)
        store = SessionStore(options.memory or free_bytes(backbone.device) // 2, exact_soon=not options.approximate)
        serve(Page(backbone, store).blocks, store, listener, hosts, token)


def _say(sentence: str) -> None:
    Console(stderr=True, markup=False, highlight=False).print(f"kveraser: {sentence}", soft_wrap=True)


def _megabytes(text: str) -> int:
    """Bytes of a positive number of megabytes."""
    if int(text) < 1:
        raise ValueError
    return int(text) * 2**20
