"""Edits of a document in characters, for people, and in slots of its context, for the cache."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span, SpanError, TokenMap, check_span, merge_spans, subtract_spans
from kveraser_core.methods.edits import Edit, erasures
from kveraser_core.model.prompts import Role
from kveraser_core.sessions.context import Context
from kveraser_core.sessions.segments import GAP, ContextSegment, cut
from kveraser_core.sessions.window import check_growth

Edits = tuple[Edit, ...]
"""What is edited: sorted, no spans overlapping, no two erased ones touching."""


@dataclass(frozen=True)
class EditedSpan:
    """A passage that is erased or replaced: its characters, rounded out to whole tokens, and how many tokens.

    `new_text` takes its place: nothing where it is erased.
    """

    characters: Span
    text: str
    tokens: int
    new_text: str = ""


@dataclass(frozen=True)
class SlotMap:
    """A document, in its segments, and the tokens of it that a context has."""

    context: Context
    document: Document
    token_map: TokenMap
    segments: tuple[ContextSegment, ...]

    @classmethod
    def of(cls, context: Context, document: Document, token_map: TokenMap) -> "SlotMap":
        """The map of a document that nothing was appended to."""
        whole = ContextSegment(document.title, "document", Span(0, len(document.text)), len(token_map))
        return cls(context, document, token_map, (whole,))

    def with_segment(self, name: str, role: Role, text: str, between: int, token_map: TokenMap) -> "SlotMap":
        """The map with `text` appended, after so many tokens `between` that belong to no text."""
        grown = replace(self.document, text=self.document.text + GAP + text)
        characters = Span(len(grown.text) - len(text), len(grown.text))
        return SlotMap(
            self.context,
            grown,
            self.token_map.followed_by(len(GAP), between, token_map),
            (*self.segments, ContextSegment(name, role, characters, len(token_map))),
        )

    def slots(self, spans: Iterable[Span]) -> list[Span]:
        """The slots of every token that touches one of the character spans. Raises `SpanError`."""
        return merge_spans(self._slots(span) for span in self._checked(spans))

    def shown(self, edit: Edit) -> EditedSpan:
        """An edit as people see it."""
        characters = self.token_map.to_characters(edit.span.shifted(-self.context.document_start))
        text = self.document.text[characters.start : characters.end]
        return EditedSpan(characters, text, len(edit.span), edit.text)

    def edited(self, edits: Edits, spans: Iterable[Span], text: str) -> Edits:
        """`edits`, and `text` in the place of each character span, which is erased where there is none.

        Raises `SpanError` and `TooMuchText`.
        """
        wanted = list(spans)
        if not text:
            return self._with_erased(edits, wanted)
        checked = self._checked(wanted)
        if len(checked) > len(wanted):
            raise SpanError("A passage that is replaced lies in one part of the context: select text of one part.")
        made = self._with_replaced(edits, checked, text)
        check_growth(made, self.context.headroom)
        return made

    def _with_erased(self, edits: Edits, spans: Iterable[Span]) -> Edits:
        """`edits`, and the character spans erased.

        A replaced passage is erased by a span that has all of it. Of any other it says nothing any more.
        """
        slots = self.slots(spans)
        erased, replaced = _apart(edits)
        left = [edit for edit in replaced if not any(_covers(span, edit.span) for span in slots)]
        new = subtract_spans([*erased, *slots], [edit.span for edit in left])
        return tuple(sorted([*erasures(new), *left]))

    def _with_replaced(self, edits: Edits, spans: Sequence[Span], text: str) -> Edits:
        """`edits`, and `text` in the place of each character span. Raises `SpanError`.

        What the span's tokens say besides the span stays, as a part of the new text, but for what is erased already.
        A replaced passage is replaced anew by a span that has all of it.
        """
        erased, replaced = _apart(edits)
        new = self._replacing(spans, text, erased)
        left = [edit for edit in replaced if not any(_covers(one.span, edit.span) for one in new)]
        if any(one.span.start < edit.span.end and edit.span.start < one.span.end for one in new for edit in left):
            raise SpanError(
                "A part of this passage is replaced already: select all of what is replaced, or restore it first."
            )
        return tuple(sorted([*erasures(subtract_spans(erased, [edit.span for edit in new])), *left, *new]))

    def _replacing(self, spans: Sequence[Span], text: str, erased: Sequence[Span]) -> list[Edit]:
        """The edits that put `text` in the place of each of `spans`, of those that share a token as one."""
        groups = list[tuple[Span, list[Span]]]()
        for span in sorted(spans):
            slots = self._slots(span)
            if groups and slots.start < groups[-1][0].end:
                before, group = groups.pop()
                if span.start < group[-1].end:
                    raise SpanError("Two of the passages to replace overlap: give each place once.")
                groups.append((Span(before.start, max(before.end, slots.end)), [*group, span]))
            else:
                groups.append((slots, [span]))
        gone = [self.shown(Edit(slots)).characters for slots in erased]

        def kept(start: int, end: int) -> str:
            left = subtract_spans([Span(start, end)], gone) if start < end else []
            return "".join(self.document.text[one.start : one.end] for one in left)

        made = list[Edit]()
        for slots, group in groups:
            rounded = self.shown(Edit(slots)).characters
            starts, ends = (
                [rounded.start, *(span.end for span in group)],
                [*(span.start for span in group), rounded.end],
            )
            whole = text.join(map(kept, starts, ends))
            made.append(Edit(slots, tuple(self.context.backbone.tokenize(whole)[0]), whole))
        return made

    def _checked(self, spans: Iterable[Span]) -> list[Span]:
        """The spans, those that lie in several segments cut at what stands between them. Raises `SpanError`."""
        wanted = list(spans)
        for span in wanted:
            check_span(span, self.document.text)
        within = list(cut(wanted, self.segments))
        if wanted and not within:
            raise SpanError("There is nothing to erase between two parts of the document: select some of its text.")
        return within

    def _slots(self, span: Span) -> Span:
        return self.token_map.to_tokens(span).shifted(self.context.document_start)


def _apart(edits: Edits) -> tuple[list[Span], list[Edit]]:
    """The spans that are erased, and the edits that replace."""
    return [edit.span for edit in edits if not edit.ids], [edit for edit in edits if edit.ids]


def _covers(span: Span, other: Span) -> bool:
    return span.start <= other.start and other.end <= span.end
