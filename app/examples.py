"""An example of each argument of the endpoints, for programmers; ids and paths are the server's to give."""

from typing import Any

EXAMPLES: dict[str, Any] = {
    "text": "The toll at the harbour is 30 coins. An old rule said 14 coins.",
    "role": "tool",
    "name": "tide table",
    "title": "harbour rules",
    "file": "/tmp/kveraser-uploads-x1y2z3/0a1b2c3d/harbour.pdf",  # noqa: S108
    "password": "",
    "encoding": "",
    "session": "Vb0mZk3pQ1cX7tYhN5wLrD2sGfJ8aKeU",
    "passage": "An old rule said 14 coins.",
    "new_text": "An old rule said 12 coins.",
    "start": 37,
    "end": 63,
    "whole_words": True,
    "questions": ["What is the toll at the harbour?"],
    "question": "What is the toll at the harbour?",
    "method": "local_repair:64",
    "methods": ["full_recompute", "local_repair:64", "none"],
    "max_tokens": 32,
    "exact": False,
    "longer": False,
    "evidence": True,
    "form": "md",
    "erased_text": False,
}
