"""Which words of a passage another one does not have, and the other way round."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from kveraser_core.documents.spans import Span

_WORD = re.compile(
    r"(?<!\w)[-−+]?\d+(?:[.,:/]\d+)*"  # a number with its sign
    r"|[%‰‱°$€£¥₹]"
    r"|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]"  # scripts without spaces: a character is a word
    r"|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]+(?:['’\-][^\W\u3040-\u30ff\u3400-\u9fff]+)*"
)


@dataclass(frozen=True)
class Differences:
    """`added`: ranges of the passage's words that the other lacks. `missing`: the other's words that it lacks."""

    added: tuple[Span, ...] = ()
    missing: tuple[str, ...] = ()


def differences(passage: str, other: str) -> Differences:
    """Compare word by word; case, punctuation and white space do not count."""
    words, others = list(_WORD.finditer(passage)), list(_WORD.finditer(other))
    matcher = SequenceMatcher(None, _folded(others), _folded(words), autojunk=False)
    added, missing = [], []
    for kind, first, last, start, end in matcher.get_opcodes():
        if kind != "equal" and start < end:
            added.append(Span(words[start].start(), words[end - 1].end()))
        if kind != "equal" and first < last:
            missing.append(" ".join(other[others[first].start() : others[last - 1].end()].split()))
    return Differences(tuple(added), tuple(missing))


def words_of(text: str) -> list[str]:
    """The words of `text` in order, as they are compared: case folded, in scripts without spaces each character."""
    return _folded(list(_WORD.finditer(text)))


def _folded(words: list[re.Match[str]]) -> list[str]:
    return [word.group().casefold().replace("’", "'").replace("−", "-") for word in words]
