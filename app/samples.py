"""The sample documents that come with the app."""

import json
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "assets" / "samples"


def sample_choices() -> list[tuple[str, str]]:
    """What to show for each sample, and its file name."""
    index = _FOLDER / "samples.json"
    if not index.is_file():
        return []
    return [(f"{entry['title']}: {entry['description']}", entry["file"]) for entry in json.loads(index.read_text())]


def sample_path(file: str) -> Path:
    """Where the sample called `file` lies. Raises `KeyError` for any other name."""
    known = {name for _, name in sample_choices()}
    if file not in known:
        raise KeyError(file)
    return _FOLDER / file
