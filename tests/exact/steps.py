"""What the tests of exact caches do again and again."""

import time

from kveraser_core.model.generation import Sampling

OLD = "An old rule said that the toll is fourteen silver coins for every mast."

SHORT = Sampling(max_tokens=4)
QUESTION = "What is the toll?"


def work(job, steps=10**6):
    """Work on `job` until it has nothing to do, or for a number of steps."""
    while steps and job.step() != "done":
        steps -= 1


def filled(cache):
    return [states.clone() for layer in cache.editable for states in layer.filled()]


def until(said, seconds=30):
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end
        time.sleep(0.005)
