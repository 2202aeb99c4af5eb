"""What a command says on standard error, and how both streams take text that they cannot encode."""

import sys

from rich.console import Console

_errors = Console(stderr=True, highlight=False, markup=False)


def write_whatever_comes() -> None:
    """Let standard output and error write what their encoding lacks as escapes, in place of failing at it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def warn(message: str) -> None:
    """Say `message`, which is one sentence."""
    _errors.print(f"kveraser: {message}", soft_wrap=True)
