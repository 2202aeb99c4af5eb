"""What an entry of a PDF's page tree or form has from those above it."""

from typing import Any

_MAX_PARENTS = 100


def inherited(node: Any, key: str) -> Any:
    """The object at `key` of `node`, or of its nearest parent that has one; `None` where none has."""
    for _ in range(_MAX_PARENTS):
        if key in node:
            return node[key].get_object()
        if "/Parent" not in node:
            return None
        node = node["/Parent"].get_object()
    return None
