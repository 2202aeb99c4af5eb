"""Contradicting needle: the document states a fact, and an erased passage states it otherwise."""

import random
from typing import NamedTuple

from kveraser_core.tasks.corpus import Corpus
from kveraser_core.tasks.examples import Example, Insert, Question, assemble

TASK = "needle"
_FORMS = (
    ("The access code for the {place} is {number}.", "What is the access code for the {place}?"),
    ("Everyone at the {place} must report to {name}.", "Who must everyone at the {place} report to?"),
    ("The {place} opens at {time} in the morning.", "When does the {place} open in the morning?"),
    ("The director of the {place} is {name}.", "Who is the director of the {place}?"),
    ("The door of the {place} is painted {colour}.", "What colour is the door of the {place} painted?"),
    ("The yearly budget of the {place} is {amount}.", "What is the yearly budget of the {place}?"),
    ("The {place} was founded in {year}.", "When was the {place} founded?"),
    (
        "Refunds from the {place} must be claimed within {days} days.",
        "Within how many days must refunds from the {place} be claimed?",
    ),
    ("The records of the {place} are kept in {city}.", "Where are the records of the {place} kept?"),
    ("The emergency number of the {place} is {number}.", "What is the emergency number of the {place}?"),
    (
        "The {place} stores its samples in {colour} boxes.",
        "In which colour of boxes does the {place} store its samples?",
    ),
    ("The next inspection of the {place} is on {date}.", "When is the next inspection of the {place}?"),
    ("The {place} can hold {days} visitors.", "How many visitors can the {place} hold?"),
    ("The magic word of the {place} is {word}.", "What is the magic word of the {place}?"),
)
_PLACES = (
    "harbour office", "north library", "glass museum", "river station", "old observatory", "seed archive",
    "tram depot", "salt warehouse", "night clinic", "print workshop", "botanical hall", "signal tower",
    "stone bakery", "weather bureau", "map room", "textile mill", "concert hall", "fishing school",
    "mountain hostel", "central laboratory", "town brewery", "east gallery", "ferry terminal", "music school",
)  # fmt: skip
_VALUES: dict[str, tuple[str, ...]] = {
    "name": ("Mara Lindqvist", "Tomas Okafor", "Ines Carvalho", "Jonas Weber", "Aiko Tanaka", "Peter Novak",
             "Salma Haddad", "Owen Price", "Lucia Romano", "Daniel Kim", "Nora Jensen", "Victor Hale"),
    "colour": ("red", "green", "blue", "yellow", "black", "white", "orange", "purple", "grey", "brown"),
    "city": ("Lisbon", "Oslo", "Geneva", "Cairo", "Quito", "Osaka", "Dublin", "Prague", "Nairobi", "Lima"),
    "word": ("lantern", "harvest", "compass", "marble", "thunder", "velvet", "anchor", "willow", "copper"),
    "month": ("January", "February", "March", "April", "May", "June", "July", "August", "September",
              "October", "November", "December"),
}  # fmt: skip


def needle(
    corpus: Corpus, rng: random.Random, tokens: int, spans: int = 1, questions: int = 3, unanswered: float = 0.2
) -> Example:
    """Prose of about `tokens` tokens with a true needle for each erased passage that contradicts it.

    A share `unanswered` of them has no true counterpart: what is asked is said nowhere else, and the
    answer is the erased one, so that training sees how unlikely it has become.
    """
    tokenize = corpus.backbone.tokenize
    inserts: list[Insert] = []
    asked: list[Question] = []
    room = tokens // (4 * spans)
    text = corpus.passage(rng, max(tokens - spans * (60 + room // 3), 64))
    starts = [*corpus.boundaries(text), len(text)]
    places = rng.sample(starts, min(3 * spans, len(starts)))
    for form, place in zip(rng.sample(_FORMS, spans), rng.sample(_PLACES, spans), strict=True):
        truth, lie = _statements(rng, form, place)
        if len(places) < 2:
            break
        around = [corpus.passage(rng, rng.randint(4, max(room // 4, 5))) if rng.random() < 0.5 else [] for _ in "ab"]
        passage = [*around[0], *tokenize(f" {lie[0]} ")[0], *around[1]]
        inserts.append(Insert(places.pop(), passage, True))
        if rng.random() >= unanswered:
            inserts.append(Insert(places.pop(), tokenize(f" {truth[0]} ")[0], False))
            asked.append(Question(form[1].format(place=place), truth[0], lie[1], truth[1]))
        else:
            asked.append(Question(form[1].format(place=place), lie[0], lie[1]))
    other = rng.choice(_FORMS)
    place = rng.choice([name for name in _PLACES if all(name not in question.text for question in asked)])
    (sentence, value), _ = _statements(rng, other, place)
    inserts.append(Insert(rng.choice(starts), tokenize(f" {sentence} ")[0], False))
    asked.append(Question(other[1].format(place=place), sentence, "", value))
    return assemble(TASK, text, inserts, asked[:questions])


class Fact(NamedTuple):
    """A statement and its value, the same with another value, and the question about it."""

    statement: str
    value: str
    otherwise: str
    other_value: str
    question: str


def facts(rng: random.Random, count: int) -> list[Fact]:
    """Facts of different kinds about different places."""
    made = list[Fact]()
    for form, place in zip(rng.sample(_FORMS, count), rng.sample(_PLACES, count), strict=True):
        one, other = _statements(rng, form, place)
        made.append(Fact(*one, *other, form[1].format(place=place)))
    return made


def _statements(rng: random.Random, form: tuple[str, str], place: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Two statements that contradict each other, each with its value."""
    kind = form[0].split("{")[-1].split("}")[0]
    first = _value(rng, kind)
    second = first
    while second == first:
        second = _value(rng, kind)
    return tuple((form[0].format(place=place, **{kind: value}), value) for value in (first, second))  # type: ignore[return-value]


def _value(rng: random.Random, kind: str) -> str:
    made = {
        "number": lambda: str(rng.randint(1000, 99999)),
        "time": lambda: f"{rng.randint(5, 11)}:{rng.choice(('00', '15', '30', '45'))}",
        "amount": lambda: f"{rng.randint(2, 990)},000 dollars",
        "year": lambda: str(rng.randint(1500, 2020)),
        "days": lambda: str(rng.randint(3, 400)),
        "date": lambda: f"{rng.randint(1, 28)} {rng.choice(_VALUES['month'])}",
    }
    return made[kind]() if kind in made else rng.choice(_VALUES[kind])
