"""A fact swapped for another: the document states it once, and an edit puts another statement in its place."""

import random
from dataclasses import replace

from kveraser_core.tasks.corpus import Corpus
from kveraser_core.tasks.examples import Example, Insert, Question, assemble
from kveraser_core.tasks.needle import Fact, facts

TASK = "replace"


def replaced_fact(corpus: Corpus, rng: random.Random, tokens: int) -> Example:
    """Prose of about `tokens` tokens with two facts, one of them replaced; questions about it and about the other.

    Half of the new statements come with some prose, so that they are longer than what they replace.
    """
    tokenize = corpus.backbone.tokenize
    swapped, other = facts(rng, 2)
    more = corpus.passage(rng, rng.randint(4, 40)) if rng.random() < 0.5 else []
    text = corpus.passage(rng, max(tokens - 40, 64))
    places = rng.sample([*corpus.boundaries(text), len(text)], 2)
    inserts = [
        Insert(places[0], tokenize(f" {swapped.otherwise} ")[0], True),
        Insert(places[1], tokenize(f" {other.statement} ")[0], False),
    ]
    asked = [_question(swapped, swapped.other_value), _question(other)]
    new = (*tokenize(f" {swapped.statement} ")[0], *more)
    return replace(assemble(TASK, text, inserts, asked), new=(new,))


def _question(fact: Fact, forbidden: str = "") -> Question:
    return Question(fact.question, fact.statement, forbidden, fact.value)
