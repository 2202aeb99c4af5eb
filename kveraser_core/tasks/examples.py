"""What every training and measuring task makes: a document with spans to erase, and questions."""

from dataclasses import dataclass

from kveraser_core.documents.spans import Span
from kveraser_core.methods.edits import Edit, edited_ids


@dataclass(frozen=True)
class Question:
    """A question and its right answer.

    An answer is right if it contains `accept` (the whole `answer` where that is empty), and leaks if it
    contains `forbidden`, which only the spans say.
    """

    text: str
    answer: str
    forbidden: str = ""
    accept: str = ""


@dataclass(frozen=True)
class Example:
    """Token ids of a document, the spans of them to erase (sorted, not touching), and questions.

    `new`, where there is any, are for each span the tokens that take its place.
    """

    task: str
    ids: list[int]
    spans: tuple[Span, ...]
    questions: tuple[Question, ...]
    new: tuple[tuple[int, ...], ...] = ()

    def edits(self, start: int = 0) -> list[Edit]:
        """The edits to make in a context in which the document begins at slot `start`."""
        new = self.new or ((),) * len(self.spans)
        return [Edit(span.shifted(start), ids) for span, ids in zip(self.spans, new, strict=True)]

    @property
    def kept_ids(self) -> list[int]:
        """The document after its edits."""
        return edited_ids(self.ids, self.edits())


@dataclass(frozen=True)
class Insert:
    """Tokens to put into a text at an offset; `erased` says whether they are a span."""

    at: int
    ids: list[int]
    erased: bool


def assemble(task: str, text: list[int], inserts: list[Insert], questions: list[Question]) -> Example:
    """The example whose document is `text` with `inserts` put in, at offsets of `text`.

    Inserts at one offset follow in the order given; erased ones must not share an offset.
    """
    ids: list[int] = []
    spans: list[Span] = []
    done = 0
    for insert in sorted(inserts, key=lambda insert: insert.at):
        ids += text[done : insert.at]
        done = insert.at
        if insert.erased:
            spans.append(Span(len(ids), len(ids) + len(insert.ids)))
        ids += insert.ids
    return Example(task, ids + text[done:], tuple(spans), tuple(questions))
