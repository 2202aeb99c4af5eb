"""What erasing or replacing a passage by its text takes, and what it leaves: for the answer to who asked for it."""

from dataclasses import dataclass

from kveraser_core.documents.search.finding import cut_words, find_passages
from kveraser_core.documents.search.near import NearMiss, quoted
from kveraser_core.documents.spans import Span, subtract_spans
from kveraser_core.sessions.session import DocumentSession


@dataclass(frozen=True)
class FoundPassage:
    """A passage to erase: its places, near misses that are left, and the words of which it is only a part.

    `new_text` takes its place, where it is to be replaced.
    """

    passage: str
    spans: list[Span]
    close: list[NearMiss]
    longer_words: list[str]
    new_text: str = ""

    @classmethod
    def of(cls, text: str, passage: str, whole_words: bool, new_text: str = "") -> "FoundPassage":
        """`passage` in `text`. Raises `SpanError` when it is blank or occurs nowhere."""
        found = find_passages(text, passage, whole_words=whole_words)
        return cls(passage, found.found, found.close, cut_words(text, found.found), new_text)

    def besides(self, session: DocumentSession) -> list[str]:
        """What erasing it in `session` takes besides, being in the same tokens; white space does not count.

        Replacing leaves it, as a part of the new text.
        """
        if self.new_text:
            return []
        rounded = [erased.characters for erased in session.round_out(self.spans)]
        texts = (session.document.text[span.start : span.end] for span in subtract_spans(rounded, self.spans))
        return [text for text in texts if text.strip()]

    def as_json(self, session: DocumentSession) -> dict[str, object]:
        """What the API and `--json` say of it; docs/api.md documents it."""
        return {
            "passage": self.passage,
            "new_text": self.new_text,
            "found": len(self.spans),
            "longer_words": self.longer_words,
            "besides": self.besides(session),
            "not_erased": [
                {"start": near.span.start, "end": near.span.end, "text": near.text, "reason": near.reason}
                for near in self.close
            ],
        }

    def sentences(self, session: DocumentSession) -> list[str]:
        """The same for people."""
        said = [f"{quoted(self.passage)} was found {len(self.spans):,} time{'s' * (len(self.spans) > 1)}."]
        if self.longer_words:
            said.append(f"It is part of {', '.join(map(quoted, self.longer_words[:5]))}: --whole-words leaves those.")
        if besides := self.besides(session):
            said.append(f"Erased besides, in the same tokens: {', '.join(map(quoted, besides[:5]))}.")
        done = "replaced" if self.new_text else "erased"
        for near in self.close:
            said.append(f"Not {done}: {quoted(near.text)} at {near.span.start}:{near.span.end} ({near.reason}).")
        return said
