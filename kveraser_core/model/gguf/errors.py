"""What is wrong with a GGUF file."""

from collections.abc import Iterator
from contextlib import contextmanager

from kveraser_core.model.loading import one_line


class DamagedFile(Exception):
    """Why a GGUF file cannot be used: a clause that goes on from "for"."""


@contextmanager
def blaming(part: str) -> Iterator[None]:
    """Whatever goes wrong inside becomes `DamagedFile`, which says that it was with `part`."""
    try:
        yield
    except DamagedFile:
        raise
    except Exception as error:  # whatever a damaged file leads to
        raise DamagedFile(f"{part} ({one_line(error)})") from error
