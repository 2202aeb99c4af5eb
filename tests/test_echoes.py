"""Which suffix tokens `kveraser_repair` reads again, on token ids written by hand."""

from kveraser_core.erasers.echoes import AFTER, BEFORE, SEAM, stale_tokens
from kveraser_core.spans import Span

FILL = iter(range(1000, 10_000))
STATEMENT = [1, 2, 3, 4, 5, 6, 7]


def fill(count):
    """Tokens that occur nowhere else."""
    return [next(FILL) for _ in range(count)]


def test_without_echoes_the_seam_is_recomputed():
    ids = [*fill(10), *STATEMENT, 50, *fill(100)]
    assert stale_tokens(ids, [Span(10, 18)], 0, 32) == [Span(18, 50)]


def test_what_follows_an_echo_is_recomputed_too():
    before = [*fill(10), *STATEMENT, 50, *fill(60)]
    ids = [*before, *STATEMENT, 60, *fill(100)]
    end = len(before) + len(STATEMENT)
    seam = Span(18, 18 + SEAM)
    assert stale_tokens(ids, [Span(10, 18)], 0, 32) == [seam, Span(end - BEFORE, end + AFTER)]


def test_a_run_that_the_span_does_not_have_whole_is_no_echo():
    ids = [*fill(10), *STATEMENT, 50, *fill(60), *STATEMENT[:4], *fill(100)]
    assert stale_tokens(ids, [Span(10, 18)], 0, 32) == [Span(18, 50)]


def test_an_echo_before_the_span_is_left_alone():
    ids = [*STATEMENT, 60, *fill(10), *STATEMENT, 50, *fill(100)]
    assert stale_tokens(ids, [Span(18, 26)], 0, 32) == [Span(26, 58)]


def test_the_longer_echo_comes_first_and_k_is_never_exceeded():
    short = [*fill(10), *STATEMENT, 50, *fill(60), *STATEMENT[:5], *fill(60), *STATEMENT, *fill(60)]
    chosen = stale_tokens(short, [Span(10, 18)], 0, 32)
    assert sum(map(len, chosen)) == 32
    longest = 18 + 60 + 5 + 60 + len(STATEMENT)
    assert Span(longest - BEFORE, longest + AFTER) in chosen


def test_tokens_of_other_spans_are_never_chosen():
    ids = [*fill(10), *STATEMENT, 50, *fill(5), *STATEMENT, 60, *fill(100)]
    chosen = stale_tokens(ids, [Span(10, 18), Span(23, 31)], 0, 32)
    assert not any(slot in range(23, 31) for span in chosen for slot in range(span.start, span.end))
    assert sum(map(len, chosen)) == 32


def test_a_short_suffix_is_recomputed_whole():
    ids = [*fill(10), *STATEMENT, *fill(4)]
    assert stale_tokens(ids, [Span(10, 17)], 0, 32) == [Span(17, 21)]
    assert stale_tokens(ids[:17], [Span(10, 17)], 0, 32) == []
