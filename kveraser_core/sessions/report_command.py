"""The command that repeats a report."""

import shlex
from collections.abc import Sequence

from kveraser_core.sessions.session import DocumentSession


def report_command(session: DocumentSession, questions: Sequence[str], method: str) -> str:
    """The command line for what is edited in `session` now, in a file called as its document is."""
    title = session.document.title
    words = ["kveraser", "report", f"./{title}" if title.startswith("-") else title]
    for edit in session.spans:
        place = f"{edit.characters.start}:{edit.characters.end}"
        words += ["--replace-range", place, edit.new_text] if edit.new_text else ["--erase-range", place]
    for question in questions:
        words.append(f"--ask={question}")
    return shlex.join([*words, "--method", method])
