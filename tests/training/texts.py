"""Text to train on, made of a few words."""

import random

WORDS = ["harbour", "lamp", "toll", "rope", "gull", "tide", "crane", "barrel", "captain", "signal", "anchor", "quay"]


def prose(seed, sentences=260):
    rng = random.Random(seed)
    return " ".join(" ".join(rng.choices(WORDS, k=rng.randint(4, 9))).capitalize() + "." for _ in range(sentences))
