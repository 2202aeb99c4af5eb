"""Whether a compared answer still says what was erased: what people compare erase methods for."""

from dataclasses import dataclass

from app.workspace import Comparison
from kveraser_core.documents.similar.differences import words_of
from kveraser_core.methods import NONE, REFERENCE
from kveraser_core.sessions.answers import Answer


@dataclass(frozen=True)
class Verdict:
    """The key of what is said of an answer, and the words of it that only the erased passages have."""

    key: str
    words: tuple[str, ...] = ()


class Judge:
    """Compares answers with that of full recompute, and with the passages that were erased."""

    def __init__(self, comparison: Comparison, text: str) -> None:
        """`text` is that of the whole document."""
        self.reference = next(
            (answer for answer in comparison.answers if answer.method == REFERENCE and not answer.error), None
        )
        self.edited = bool(comparison.edits)
        kept, at = [comparison.question], 0
        for edit in sorted(comparison.edits, key=lambda edit: edit.characters.start):
            kept += [text[at : edit.characters.start], edit.new_text]
            at = edit.characters.end
        known = {word for piece in [*kept, text[at:]] for word in words_of(piece)}
        self.telling = {word for edit in comparison.edits for word in words_of(edit.text)} - known
        """Words that stand in the erased passages only."""

    def verdict(self, answer: Answer) -> Verdict | None:
        """What is said of `answer`: nothing of the reference, without one, or where nothing was erased."""
        if self.reference is None or answer.method == REFERENCE or not self.edited:
            return None
        said, expected = words_of(answer.text), words_of(self.reference.text)
        leaked = tuple(dict.fromkeys(word for word in said if word in self.telling and word not in expected))
        if leaked:
            return Verdict("v_still", leaked)
        if said == expected:
            return Verdict("v_unchanged" if answer.method == NONE else "v_same")
        return Verdict("v_other")
