"""The sample documents that come with the app."""

import json
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "assets" / "samples"


@dataclass(frozen=True)
class Sample:
    """A sample document, the spans in it to erase, and questions with their answers with and without them.

    `zh` has its title and description in Chinese; the document itself is English.
    """

    file: str
    title: str
    description: str
    zh: dict[str, str]
    erase: list[str]
    questions: list[dict[str, str]]

    @property
    def path(self) -> Path:
        return _FOLDER / self.file


def samples() -> list[Sample]:
    """All samples."""
    index = _FOLDER / "samples.json"
    return [Sample(**entry) for entry in json.loads(index.read_text(encoding="utf-8"))] if index.is_file() else []
