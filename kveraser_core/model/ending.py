"""Where an answer has ended although the model goes on: small models repeat themselves, or ask the next question.

The rules look at text alone, so that the same answer ends at the same place whatever erase method gave it.
"""

import re

_OPENINGS = ("question", "document", "user")
_NEXT_QUESTION = re.compile(rf"^[ \t]*(?:{'|'.join(_OPENINGS)})[ \t]*:", re.IGNORECASE | re.MULTILINE)
_END = re.compile(
    r"[.!?…؟।॥۔]+[\"'”’)\]]*(?=\s)"  # followed by white space
    r"|[。！？｡．]+[”』」）]*"  # of scripts that put none there
    r"|(?=\n)"
)
_GOES_ON = re.compile(
    r"(?:\b(?:\w|dr|mr|mrs|ms|prof|st|no|vs|inc|ltd|co|fig|vol|gen|col|capt|lt|sgt|rev|approx|e\.g|i\.e)\.|^\s*\d+\.)$",
    re.IGNORECASE,
)
"""What a full stop is a part of: an abbreviation, an initial, or the number of a list's item."""
_WORDS = 3
"""Words of a sentence that counts as said again: shorter ones are repeated for good reasons."""


def end_of(text: str, brief: bool) -> tuple[int, bool]:
    """How many characters of the answer `text`, as it is so far, are sure to stay, and whether it has ended there.

    It ends before a line that opens another question, and before a sentence or line that it holds already; if
    `brief`, after its first sentence, but for one that announces another by a colon. What may turn out to be such a
    line or sentence does not stay for sure yet.
    """
    opened = _NEXT_QUESTION.search(text)
    whole = text[: opened.start()] if opened else text
    said: set[str] = set()
    start = 0
    for match in _END.finditer(whole):
        sentence = whole[start : match.end()]
        if not sentence.strip() or _GOES_ON.search(sentence):
            continue
        announces = sentence.rstrip().endswith((":", "："))  # what comes in the next line
        if brief and not announces:
            return match.end(), True
        folded = _folded(sentence)
        if folded in said:
            return len(whole[:start].rstrip()), True
        if len(folded.split()) >= _WORDS or (brief and announces):
            said.add(folded)
        start = match.end()
    if opened:
        return len(whole.rstrip()), True
    rest = _folded(whole[start:])
    if any(sentence.startswith(rest) for sentence in said):
        return len(whole[:start].rstrip()), False
    if _may_open(whole[(line := whole.rfind("\n") + 1) :]):
        return len(whole[:line].rstrip()), False
    return len(whole.rstrip()), False


def _folded(sentence: str) -> str:
    return " ".join(sentence.casefold().split())


def _may_open(line: str) -> bool:
    """Whether `line`, so far, may become one that opens another question."""
    return any(f"{word}:".startswith(line.strip().lower()) for word in _OPENINGS)
