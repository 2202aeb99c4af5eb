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
        erased = {word for edit in comparison.edits for word in words_of(edit.text)}
        self.telling = erased - known
        """Words that stand in the erased passages only."""
        figures = {word for word in erased & known if any(sign.isdigit() for sign in word)}
        self.repeated = figures - set(words_of(comparison.question))
        """Figures of the erased passages that the document gives elsewhere too."""

    def verdict(self, answer: Answer) -> Verdict | None:
        """What is said of `answer`: nothing of the reference, without one, or where nothing was erased."""
        if self.reference is None or answer.method == REFERENCE or not self.edited:
            return None
        said, expected = words_of(answer.text), words_of(self.reference.text)
        leaked = {word for word in said if word in self.telling and word not in expected}
        if leaked:
            return Verdict("v_still", _as_said(answer.text, leaked))
        if said == expected:
            if answer.method == NONE:
                return Verdict("v_unchanged")
            repeated = self.repeated & set(said)
            return Verdict("v_elsewhere", _as_said(answer.text, repeated)) if repeated else Verdict("v_same")
        return Verdict("v_other")


def _as_said(text: str, words: set[str]) -> tuple[str, ...]:
    """`words` as `text` has them, those that it writes as one, such as 9988-13, as one."""
    shown = dict[str, None]()
    for piece in text.split():
        found = words_of(piece)
        if found and set(found) <= words:
            shown[piece.strip(".,;:!?()[]\"'“”‘’«»").casefold()] = None
        else:
            shown.update(dict.fromkeys(word for word in found if word in words))
    return tuple(shown)
