"""Random sequences of everything that a session does, beside a fresh computation of each state."""

import os

import pytest

from kveraser_core.model.backbone import Backbone
from tests.poison import ENGINES, model_for
from tests.random_exact import Reference, Sequence

SEED = int(os.environ.get("KVERASER_SEED", "0"))


def sequences(llama, background, count, operations):
    reference = Reference(llama)
    layers = 0
    for number in range(count):
        background.clear()
        sequence = Sequence(reference, background, SEED + number)
        sequence.run(operations)
        layers += sequence.layers
    return layers


def test_random_sequences_give_what_a_fresh_computation_gives(llama, background):
    assert sequences(llama, background, 25, 10) > 50


@pytest.mark.soak
@pytest.mark.parametrize("engine", ENGINES)
def test_thousands_of_random_sequences_give_what_a_fresh_computation_gives(engine, tokenizer, background):
    assert sequences(Backbone(model_for(engine), tokenizer, "tiny"), background, 2000, 20) > 10_000
