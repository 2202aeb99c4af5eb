"""Near misses: passages that are almost one that was looked for, so that none stays in a document unnamed.

Almost means the same but for accents, spaces, signs or a letter; for one word or number in at least four; or with
other text, such as a page's header, in its middle. Candidates are where many words of the passage stand in its order.
"""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from unicodedata import category, normalize

from rapidfuzz.distance import Indel, Levenshtein

from kveraser_core.documents.search.folding import LEVEL, MARK, WIDE, Folded
from kveraser_core.documents.spans import Span

_WORD = re.compile(f"[{WIDE}]|(?:[^\\W{WIDE}]|[{MARK}])+")
_MOST = 5
_TRIED, _TRIED_OF_LONG, _LONG, _TOO_LONG = 40, 8, 200, 5000
"""Candidates that are compared, fewer for a passage of many words, none for one of very many."""
_REPEATS, _NARROWEST, _WIDEST = 3, 4, 64
"""Places of one word in the passage that vote, and characters between places that vote together, least and most."""
_ALIKE = 0.85
"""Share of equal characters from which two passages are almost the same, whichever words differ."""
_WORDS_FOR_ONE, _MORE_WORDS = 4, 8
"""Words of a passage that may differ in one of them, and further words for each further one."""
_LETTERS, _SHORT = 5, 8
"""Letters of a word from which one may differ, in a passage of at most so many words."""
_LETTER, _BETWEEN = "[^\\W_]", f"(?:[^\\w{MARK}]|_){{0,3}}"
_LEAST_LETTERS, _MOST_LETTERS = 3, 400
"""How many letters and digits a passage has of which places are looked for that space it otherwise."""
_HEAD, _GAP = 8, 400
"""Characters of the first part of a passage that is torn apart, at least, and of what stands between, at most."""


@dataclass(frozen=True)
class NearMiss:
    """A passage that is almost the one looked for: its place, its text, and how it differs, in words."""

    span: Span
    text: str
    reason: str


def near_misses(text: str, folded: Folded, wanted: str, found: list[Span]) -> list[NearMiss]:
    """At most five passages of `text` that are almost `wanted`, which is folded, in their order.

    `found` are the places in the folded text that are not meant, ascending.
    """
    passage = _Passage(wanted)
    candidates = [
        *_torn(text, folded, wanted),
        *_spelled_otherwise(folded.text, wanted),
        *passage.candidates(folded.text, found),
    ]
    near = dict[Span, NearMiss]()
    for alike, place, reason in sorted(candidates, key=lambda candidate: -candidate[0]):
        if alike and len(near) < _MOST and not (_overlaps(place, found) or _overlaps(place, sorted(near))):
            span = folded.original(place.start, place.end)
            near[place] = NearMiss(span, text[span.start : span.end], reason)
    return [near[place] for place in sorted(near)]


def _overlaps(place: Span, others: list[Span]) -> bool:
    """Whether `place` overlaps one of `others`, which ascend and do not overlap."""
    at = bisect_right(others, place.start, key=lambda other: other.end)
    return at < len(others) and others[at].start < place.end


def quoted(text: str) -> str:
    """`text` on one line, between quotation marks, cut to 60 characters."""
    shown = " ".join(text.split())
    return f'"{shown}"' if len(shown) <= 60 else f'"{shown[:57]}..."'


def _torn(text: str, folded: Folded, wanted: str) -> Iterator[tuple[float, Span, str]]:
    """Places where `wanted` stands in two parts, with other text and a line break in between."""
    head = wanted[:_HEAD]
    at = folded.text.find(head) if len(wanted) >= 2 * _HEAD else -1
    for _ in range(1000):
        if at < 0:
            return
        low, high = _HEAD, len(wanted)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if folded.text.startswith(wanted[:middle], at) else (low, middle - 1)
        rest = wanted[low:].strip()
        again = folded.text.find(rest, at + low, at + low + _GAP + len(rest)) if len(rest) > 3 else -1
        if again >= 0 and "\n" in text[folded.original(at, at + low).end : folded.original(again, again + 1).start]:
            yield 1.0, Span(at, again + len(rest)), "other text stands in its middle, such as a header"
        at = folded.text.find(head, at + 1)


def _spelled_otherwise(text: str, wanted: str) -> Iterator[tuple[float, Span, str]]:
    """Places that have the letters and digits of `wanted` in turn, whatever signs and spaces stand between them."""
    level, plain = text.translate(LEVEL), wanted.translate(LEVEL)
    letters = re.findall(_LETTER, plain)
    if not _LEAST_LETTERS <= len(letters) <= _MOST_LETTERS:
        return
    pattern = f"(?<!{_LETTER})" + _BETWEEN.join(map(re.escape, letters)) + f"(?!{_LETTER}|[{MARK}])"
    for match in islice(re.finditer(pattern, level), 1000):
        place = slice(*match.span())
        if text[place] != wanted:
            differ = "digits are raised otherwise" if level[place] == plain else "spaces or signs differ"
            yield 1.0, Span(*match.span()), f"its {differ}"


class _Passage:
    """The words of a folded passage, without accents, and their places in it."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        matches = list(_WORD.finditer(wanted))
        self.words = [_bare(match[0]) for match in matches]
        self.places = defaultdict[str, list[int]](list)
        for word, match in zip(self.words, matches, strict=True):
            if len(self.places[word]) < _REPEATS:
                self.places[word].append(match.start())
        self.weight = sum(len(places) * len(word) for word, places in self.places.items())
        self._known: dict[str, str] = {}

    def candidates(self, text: str, found: list[Span]) -> Iterator[tuple[float, Span, str]]:
        """How alike each is, 0 if not almost, where it stands in the folded `text`, and how it differs."""
        width = min(max(_NARROWEST, len(self.wanted) // 8), _WIDEST)
        votes = defaultdict[int, int](int)
        ends, at = [span.end for span in found], 0
        for match in _WORD.finditer(text) if 0 < len(self.words) <= _TOO_LONG else ():
            word = self._word(match[0])
            if word in self.places:
                at = bisect_left(ends, match.end(), lo=at)
                if at == len(found) or match.start() < found[at].start:
                    for place in self.places[word]:
                        votes[(match.start() - place) // width] += len(word)
        together = {bucket: count + votes.get(bucket + 1, 0) for bucket, count in votes.items()}
        best = sorted(
            (bucket for bucket in together if 2 * together[bucket] >= self.weight),
            key=lambda bucket: together[bucket],
        )
        for bucket in best[::-1][: _TRIED if len(self.words) < _LONG else _TRIED_OF_LONG]:
            yield self._best(text, (bucket - 1) * width, (bucket + 3) * width, found)

    def _word(self, word: str) -> str:
        """The word of the passage that `word` is but for accents or, in a short passage, a letter; else itself."""
        if word not in self._known:
            bare, alike = _bare(word), word
            if bare in self.places:
                alike = bare
            elif len(bare) >= _LETTERS and len(self.words) <= _SHORT and not any(map(str.isdigit, bare)):
                near = (own for own in self.places if Levenshtein.distance(own, bare, score_cutoff=1) == 1)
                alike = next((own for own in near if len(own) >= _LETTERS), bare)
            self._known[word] = alike
        return self._known[word]

    def _best(self, text: str, first: int, last: int, found: list[Span]) -> tuple[float, Span, str]:
        """The words that are most like the passage, of those that begin from `first` to `last` of `text`."""
        matches = list(_WORD.finditer(text, max(0, first), last + len(self.wanted)))
        words = ["" if _overlaps(Span(*match.span()), found) else self._word(match[0]) for match in matches]
        count, most = len(self.words), self._allowed
        begins = range(max(1, sum(match.start() < last for match in matches)))
        runs = [
            slice(begin, begin + count + more) for begin in begins for more in range(-min(most, 2), min(most, 2) + 1)
        ]
        best = min(runs, key=lambda run: Levenshtein.distance(self.words, words[run]))
        there = [match[0] for match in matches[best]]
        if not there:
            return 0.0, Span(0, 0), ""
        bare = [_bare(word) for word in there]
        alike = Indel.normalized_similarity(" ".join(self.words), " ".join(bare))
        if alike < _ALIKE and Levenshtein.distance(self.words, words[best]) > most:
            alike = 0.0
        return alike, Span(matches[best][0].start(), matches[best][-1].end()), self._reason(there, bare)

    @property
    def _allowed(self) -> int:
        """How many words may differ."""
        return 0 if len(self.words) < _WORDS_FOR_ONE else 1 + (len(self.words) - _WORDS_FOR_ONE) // _MORE_WORDS

    def _reason(self, there: list[str], bare: list[str]) -> str:
        own = [match[0] for match in _WORD.finditer(self.wanted)]
        if own == there:
            return "its hyphens or signs differ"
        if self.words == bare:
            return "its accents differ"
        changes = Levenshtein.opcodes(own, there)
        (change, *others) = [op for op in changes if op.tag != "equal"]
        if others or change.tag != "replace":
            return "some of its words differ"
        return (
            f"{quoted(' '.join(there[change.dest_start : change.dest_end]))} "
            f"for {quoted(' '.join(own[change.src_start : change.src_end]))}"
        )


@lru_cache(maxsize=65536)
def _bare(word: str) -> str:
    """`word` without accents."""
    if word.isascii():
        return word
    return "".join(mark for mark in normalize("NFD", word) if category(mark) != "Mn") or word
