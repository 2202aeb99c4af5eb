"""Scores of answers, and intervals for their means."""

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

_RESAMPLES = 2000


def normalise(text: str) -> str:
    """Lower case, without punctuation and articles, one space between words (SQuAD v1.1's rule)."""
    lowered = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", lowered).split())


def contains(answer: str, wanted: str) -> bool:
    """Whether the normalised `answer` contains all of the normalised `wanted`, as whole words."""
    needle = normalise(wanted)
    return bool(needle) and f" {needle} " in f" {normalise(answer)} "


def exact_match(answer: str, gold: str) -> bool:
    """Whether the normalised answers are the same, as SQuAD v1.1 has it."""
    return normalise(answer) == normalise(gold)


def f1(answer: str, gold: str) -> float:
    """The harmonic mean of the precision and recall of words, as SQuAD v1.1 has it."""
    given, wanted = normalise(answer).split(), normalise(gold).split()
    shared = sum((Counter(given) & Counter(wanted)).values())
    if not shared:
        return float(given == wanted)
    precision, recall = shared / len(given), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)


def repeats_itself(answer: str, words: int = 8) -> bool:
    """Whether so many `words` in a row of the normalised `answer` occur in it twice."""
    given = normalise(answer).split()
    runs = [tuple(given[at : at + words]) for at in range(len(given) - words + 1)]
    return len(set(runs)) < len(runs)


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float, float]:
    """The mean of `values` with the ends of its 95% bootstrap interval."""
    sample = np.asarray(values, dtype=float)
    drawn = np.random.default_rng(seed).choice(sample, (_RESAMPLES, len(sample))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(sample.mean()), float(low), float(high)
