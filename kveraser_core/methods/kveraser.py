"""KVEraser: write learned steering states over the span's slots (arXiv 2606.17034)."""

from collections.abc import Sequence
from dataclasses import replace

from kveraser_core.cache.view import Layout, Piece, Rewrite
from kveraser_core.documents.spans import Span, merge_spans
from kveraser_core.methods.base import ErasedCache, EraseMethod, kept
from kveraser_core.model.generation import CHUNK
from kveraser_core.sessions.context import Context


class KVEraser(EraseMethod):
    """The eraser run behind the prefix, its states written over the span's slots, left to right.

    As in the paper it is run over the span's own tokens. An eraser with *lookahead* is run over the first
    tokens behind the span instead, at most as many as the span has: their states take the span's slots,
    right behind the prefix, and neither what is left of the span nor these tokens' own slots are seen
    any more. That is what a question about the seam reads, and no state made from the span can stand in for it.
    Where so little stands behind the spans that all of it is read, it is read as it stands: that is full recompute.

    The gap is closed by the layout alone: what stands behind a span is read from as much nearer to what
    stands before it, and nothing but the span's slots is written. Their originals are set aside and
    written back on release.
    """

    name = "kveraser"
    k: int = 0
    """Tokens behind each span that are read again in place."""

    summary = "Steering states made from what follows overwrite the passage's; nothing else is touched."

    def passes(self, context: Context, spans: Sequence[Span]) -> list[list[Rewrite]]:
        """What the erase reads, pass by pass: what stands further left in a pass may be seen by the rest of it."""
        if self.exact(context, spans):
            start, ids = spans[0].start, _behind(context, spans)
            slots, layout = range(start, start + len(ids)), Layout(context.cache.rotation, (Piece(0),))
            return [
                [Rewrite(ids[at : at + CHUNK], [*slots[at : at + CHUNK]], layout, erasing=False)]
                for at in range(0, len(ids), CHUNK)
            ]
        passes = []
        for steering, repaired in zip(self._steering(context, spans), self._repaired(context, spans), strict=True):
            passes += [[part] for part in steering[:-1]]
            if last := [*steering[-1:], *repaired]:
                passes.append(last)
        return passes

    def exact(self, context: Context, spans: Sequence[Span]) -> bool:
        """Whether all that stands behind the spans is read, which an eraser without lookahead does not do."""
        unread = kept(context, self.unseen(context, spans))[1:]
        return context.backbone.needed_eraser.lookahead is not None and all(len(rest) <= self.k for rest in unread)

    def _steering(self, context: Context, spans: Sequence[Span]) -> list[list[Rewrite]]:
        """For each span what is written over its slots, `CHUNK` tokens at a time."""
        ahead = context.backbone.needed_eraser.lookahead is not None
        unseen = self.unseen(context, spans)
        found = []
        for span, hidden in zip(spans, unseen, strict=True):
            written = Span(span.start, hidden.start) if ahead else span
            further = len(span) if ahead else 0
            layout = closed(context, unseen, span.start)
            parts = []
            for start in range(written.start, written.end, CHUNK):
                slots = [*range(start, min(start + CHUNK, written.end))]
                parts.append(Rewrite([context.ids[slot + further] for slot in slots], slots, layout))
            found.append(parts)
        return found

    def _repaired(self, context: Context, spans: Sequence[Span]) -> list[list[Rewrite]]:
        """For each span what is read again in place between it and the next."""
        return [[] for _ in spans]

    def unseen(self, context: Context, spans: Sequence[Span]) -> list[Span]:
        """For each span the slots, as many, that are not seen when what stands behind it is read."""
        ahead = context.backbone.needed_eraser.lookahead or 0
        behind = kept(context, spans)[1:]
        return [span.shifted(min(ahead, len(span), len(rest))) for span, rest in zip(spans, behind, strict=True)]

    def layout(self, context: Context, spans: Sequence[Span]) -> Layout:
        """How questions see the erased cache: the gaps closed; steering states made from a span beside its prefix.

        Questions get the positions that they have where the spans have never been, so what stands before the
        first span is read as it stands and everything behind it from as much further on.
        """
        gap = sum(map(len, spans))
        *read, last = [
            replace(piece, shift=piece.shift - gap)
            for piece in closed(context, self.unseen(context, spans), len(context.ids)).pieces
        ]
        if context.backbone.needed_eraser.lookahead is None:
            read += [
                Piece(span.start, span.end, sum(map(len, spans[number:])) - gap)
                for number, span in enumerate(spans, start=1)
            ]
            read.sort(key=lambda piece: piece.start)
        return Layout(context.cache.rotation, (*read, last))

    def erase(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        erased = self.begin(context, spans)
        if erased.left:
            try:
                context.backbone.rewrite(erased.left, context.cache)
            except BaseException:
                erased.release()
                raise
        return replace(erased, left=())

    def begin(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        cache, backbone = context.cache, context.backbone
        passes = self.passes(context, spans)
        exact = self.exact(context, spans)
        slots = [slot for parts in passes for part in parts for slot in part.slots]
        written = merge_spans(Span(slot, slot + 1) for slot in slots)
        if exact:  # the cache ends where it would without the spans
            written = [Span(spans[0].start, len(context.ids))]
        aside = [cache.slots(run.start, run.end) for run in written]

        def restore() -> None:
            cache.layout = None
            for original in aside:
                cache.write(original)
            cache.next_position = len(context.ids)

        if exact:
            cache.truncate(spans[0].start + len(slots))

        try:
            for parts in passes[:-1]:
                backbone.rewrite(parts, cache)
        except BaseException:
            restore()
            raise
        cache.layout = None if exact else self.layout(context, spans)
        cache.next_position = len(context.ids) - sum(map(len, spans))
        extra = sum(original.nbytes for original in aside)
        return ErasedCache(cache, extra, restore, passes[-1] if passes else ())


def _behind(context: Context, spans: Sequence[Span]) -> list[int]:
    """The tokens between and behind `spans`."""
    return [token for rest in kept(context, spans)[1:] for token in context.ids[rest.start : rest.end]]


def closed(context: Context, unseen: Sequence[Span], until: int) -> Layout:
    """How tokens written from slot `until` on see those before it: without the `unseen` slots, the gaps closed."""
    before = [span for span in unseen if span.end <= until]
    pieces = kept(context, before)
    gaps = [sum(map(len, before[number:])) for number in range(len(pieces))]
    nearer = [Piece(piece.start, piece.end, gap) for piece, gap in zip(pieces[:-1], gaps, strict=False)]
    return Layout(context.cache.rotation, (*nearer, Piece(pieces[-1].start)))
