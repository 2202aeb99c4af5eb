"""Span neighbour: a foreign chunk inside a passage is erased, and the text around it is asked for."""

import random

from kveraser_core.tasks.corpus import Corpus
from kveraser_core.tasks.examples import Example, Insert, Question, assemble

TASK = "span_neighbour"
_QUOTE, _ANSWER = 16, 32
_WORDS = 4
"""Words nearest to the seam that a right answer contains."""


def span_neighbour(corpus: Corpus, rng: random.Random, tokens: int, spans: int = 1, questions: int = 3) -> Example:
    """A passage of about `tokens` tokens with `spans` chunks of other text put in at any place."""
    chunks = [corpus.passage(rng, rng.randint(16, min(160, tokens // (4 * spans)))) for _ in range(spans)]
    text = corpus.passage(rng, max(tokens - sum(map(len, chunks)), 64))
    places = _places(corpus, rng, text, spans)
    asked = [_question(corpus, rng, text, rng.choice(places)) for _ in range(questions - 1)]
    asked.append(_question(corpus, rng, text, rng.randrange(len(text))))
    inserts = [Insert(at, chunk, True) for at, chunk in zip(places, chunks, strict=True)]
    return assemble(TASK, text, inserts, asked[:questions])


def _places(corpus: Corpus, rng: random.Random, text: list[int], count: int) -> list[int]:
    """Offsets from the very start to the very end, half of them where a sentence begins."""
    starts = [*corpus.boundaries(text), len(text)]
    places: set[int] = set()
    while len(places) < count:
        kind = rng.random()
        if kind < 0.1:
            places.add(rng.choice([0, len(text)]))
        else:
            places.add(rng.choice(starts) if kind < 0.55 else rng.randint(0, len(text)))
    return sorted(places)


def _question(corpus: Corpus, rng: random.Random, text: list[int], seam: int) -> Question:
    decode = corpus.backbone.text_of
    before, after = text[max(seam - _QUOTE, 0) : seam], text[seam : seam + _QUOTE]
    if len(before) < 4:
        return _asked("How does the document begin?", decode(text[:_ANSWER]), first=True)
    if len(after) < 4:
        return _asked("How does the document end?", decode(text[-_ANSWER:]), first=False)
    quote, follows = decode(before).strip(), decode(text[seam : seam + _ANSWER])
    kind = rng.randrange(4)
    if kind == 0:
        return _asked(f'What comes directly after "{quote}"?', follows, first=True)
    if kind == 1:
        return _asked(f'Continue the text of the document from here: "{quote}"', follows, first=True)
    if kind == 2:
        earlier = decode(text[max(seam - _ANSWER, 0) : seam])
        return _asked(f'What comes directly before "{decode(after).strip()}"?', earlier, first=False)
    across = decode(text[max(seam - _QUOTE, 0) : seam + _QUOTE])
    question = f'Repeat the part that begins with "{decode(before[:6]).strip()}"'
    return Question(question, across.strip(), accept=_words(decode(after), first=True))


def _asked(question: str, answer: str, first: bool) -> Question:
    return Question(question, answer.strip(), accept=_words(answer, first))


def _words(text: str, first: bool) -> str:
    words = text.split()
    return " ".join(words[:_WORDS] if first else words[-_WORDS:])
