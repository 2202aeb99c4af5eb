"""Edits: a span of a context and what takes its place, nothing or new text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kveraser_core.documents.spans import Span


@dataclass(frozen=True, order=True)
class Edit:
    """A span of slots, and the tokens `ids` that take its place: none where it is erased.

    `text` is what these tokens say, for people.
    """

    span: Span
    ids: tuple[int, ...] = ()
    text: str = ""

    @property
    def growth(self) -> int:
        """How many more tokens take the span's place than it has; 0 where they are fewer."""
        return max(len(self.ids) - len(self.span), 0)


def erasures(spans: Iterable[Span]) -> list[Edit]:
    """The edits that erase `spans`."""
    return [Edit(span) for span in spans]


def joined(edits: Sequence[Edit]) -> list[Edit]:
    """The same edits, those whose spans touch as one; sorted ones that do not overlap are given."""
    made = list[Edit]()
    for edit in edits:
        if made and made[-1].span.end == edit.span.start:
            before = made.pop()
            edit = Edit(Span(before.span.start, edit.span.end), before.ids + edit.ids, before.text + edit.text)
        made.append(edit)
    return made


def kept_spans(spans: Sequence[Span], length: int) -> list[Span]:
    """The slots before, between and after `spans`; the last may be empty."""
    starts = [0, *(span.end for span in spans)]
    ends = [*(span.start for span in spans), length]
    return [Span(start, end) for start, end in zip(starts, ends, strict=True)]


def suffixes(edits: Sequence[Edit], length: int) -> list[Span]:
    """For each edit the slots from its span to the next one's; the last may be empty."""
    return kept_spans([edit.span for edit in edits], length)[1:]


def edited_ids(ids: Sequence[int], edits: Sequence[Edit]) -> list[int]:
    """The tokens with `edits` made."""
    made = list(ids[: edits[0].span.start] if edits else ids)
    for edit, rest in zip(edits, suffixes(edits, len(ids)), strict=True):
        made += [*edit.ids, *ids[rest.start : rest.end]]
    return made


def suffix_tokens(ids: Sequence[int], edits: Sequence[Edit]) -> int:
    """How many tokens of the suffix are kept: those after the first span outside all spans."""
    return sum(map(len, suffixes(edits, len(ids))))
