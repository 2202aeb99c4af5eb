"""The parts of a context: the document that it began with, and what was appended since."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kveraser_core.documents.spans import Span
from kveraser_core.errors import KVEraserError
from kveraser_core.model.prompts import Role

GAP = "\n\n"
"""What stands between two parts in the text of all of them."""
RESERVE = 256
"""Slots that stay free for a question and its answer when something is appended."""


class NoRoomToAppend(KVEraserError):
    """A text that is too long to be appended, or empty."""


@dataclass(frozen=True)
class ContextSegment:
    """A part of a context: its `characters` in the session's document, and how many `tokens` it has."""

    name: str
    role: Role
    characters: Span
    tokens: int


def check_room(name: str, tokens: int, room: int) -> None:
    """Raise `NoRoomToAppend` unless so many `tokens` can be appended where there are `room` slots."""
    if not tokens:
        raise NoRoomToAppend(f"{name} is empty: give a text.")
    if tokens > room - RESERVE:
        raise NoRoomToAppend(
            f"{name} has {tokens:,} tokens and {max(room - RESERVE, 0):,} can be appended to what is there: give a "
            "shorter text, or open it alone."
        )


def cut(spans: Sequence[Span], segments: Sequence[ContextSegment]) -> Iterator[Span]:
    """What of the character `spans` lies in the segments, a span each: what stands between them stays."""
    for span in spans:
        for segment in segments:
            start, end = max(span.start, segment.characters.start), min(span.end, segment.characters.end)
            if start < end:
                yield Span(start, end)
