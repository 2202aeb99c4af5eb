"""The command that repeats a report."""

import shlex
from collections.abc import Sequence

from kveraser_core.sessions.session import DocumentSession


def report_command(session: DocumentSession, questions: Sequence[str], method: str | None) -> str:
    """The command line for what is edited in `session` now, in a file called as its document is."""
    words = ["kveraser", "report", session.document.title]
    for edit in session.spans:
        place = f"{edit.characters.start}:{edit.characters.end}"
        words += ["--replace-range", place, edit.new_text] if edit.new_text else ["--erase-range", place]
    for question in questions:
        words += ["--ask", question]
    return shlex.join([*words, "--method", method or session.default_method])
