"""KVEraser: write learned steering states over the span's slots (arXiv 2606.17034)."""

from collections.abc import Sequence

from kveraser_core.adapters import Adapter
from kveraser_core.context import Context
from kveraser_core.erasers.base import ErasedCache, EraseMethod, kept
from kveraser_core.generation import prefill
from kveraser_core.layout import Layout, Piece
from kveraser_core.spans import Span


class KVEraser(EraseMethod):
    """The eraser run over each span behind its prefix, its states written over the span's slots.

    An eraser may be made for a span's first slots only; the others are then not seen. The gap is closed by the
    layout alone: what stands behind a span is read from as much nearer to what stands before it, and the
    steering states share the positions of tokens before the seam. Spans go left to right and do not see one
    another's states. Everything is written in place; the originals of the slots are set aside and written
    back on release.
    """

    name = "kveraser"
    summary = "Learned steering states overwrite the passage's states; nothing else is touched."

    def stale(self, context: Context, spans: Sequence[Span]) -> list[Span]:
        """Suffix slots that are recomputed as well: none."""
        return []

    def recompute(self, context: Context, spans: Sequence[Span], stale: Sequence[Span]) -> None:
        """Write over the `stale` slots what they hold where the spans have never been."""
        again = [slot for part in stale for slot in range(part.start, part.end)]
        ends = [*(span.start for span in spans[1:]), len(context.ids)]
        for span, end in zip(spans, ends, strict=True):  # slots between two spans see the same gaps
            slots = [slot for slot in again if span.end <= slot < end]
            if slots:
                with context.cache.rewriting(slots, seen_layout(context, spans, span.end)):
                    context.backbone.encode([context.ids[slot] for slot in slots], context.cache, wanted=0)

    def erase(self, context: Context, spans: Sequence[Span]) -> ErasedCache:
        cache, backbone = context.cache, context.backbone
        eraser = backbone.needed_eraser
        steered = steered_slots(spans, eraser)
        stale = self.stale(context, spans)
        aside = [cache.slots(slots.start, slots.end) for slots in (*steered, *stale)]

        def restore() -> None:
            cache.layout, cache.next_position = None, len(context.ids)
            for original in aside:
                cache.write(original)

        try:
            self.recompute(context, spans, stale)
            with backbone.erasing():
                for slots in steered:
                    with cache.overwriting(slots.start, slots.end, seen_layout(context, spans, slots.start)):
                        prefill(backbone, context.ids[slots.start : slots.end], cache)
        except BaseException:
            restore()
            raise
        cache.layout = steered_layout(context, spans, eraser)
        cache.next_position = len(context.ids) - sum(map(len, spans))
        return ErasedCache(cache, sum(original.nbytes for original in aside), restore)


def steered_slots(spans: Sequence[Span], eraser: Adapter) -> list[Span]:
    """The slots of each of `spans` that `eraser` writes over."""
    return [Span(span.start, min(span.end, span.start + (eraser.slots or len(span)))) for span in spans]


def seen_layout(context: Context, spans: Sequence[Span], until: int) -> Layout:
    """How tokens written at slot `until` see those before it: without the spans, the gaps closed."""
    before = [span for span in spans if span.end <= until]
    pieces = kept(context, before)
    gaps = [sum(map(len, before[number:])) for number in range(len(pieces))]
    closed = [Piece(piece.start, piece.end, gap) for piece, gap in zip(pieces[:-1], gaps, strict=False)]
    return Layout(context.cache.rotation, (*closed, Piece(pieces[-1].start)))


def steered_layout(context: Context, spans: Sequence[Span], eraser: Adapter) -> Layout:
    """How questions see the context: the gaps closed, the slots written over weighted by the eraser's bias.

    Questions get the positions that they have where the spans have never been, so what stands before the
    first span is read as it stands and everything behind it from as much further on.
    """
    gap, length = sum(map(len, spans)), len(context.ids)
    read = [
        Piece(piece.start, length if piece.end is None else piece.end, piece.shift - gap)
        for piece in seen_layout(context, spans, length).pieces
    ]
    read += [
        Piece(slots.start, slots.end, sum(map(len, spans[number + 1 :])) - gap, eraser.bias)
        for number, slots in enumerate(steered_slots(spans, eraser))
    ]
    read.sort(key=lambda piece: piece.start)
    return Layout(context.cache.rotation, (*read, Piece(length)))
