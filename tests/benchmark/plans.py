"""Speeds and plans that the tests of the benchmark share."""

from kveraser_core.benchmark.grid import Plan
from kveraser_core.benchmark.limits import Speeds

SPEEDS = Speeds(flops_per_s=1e9, read_per_s=1e8, copied_per_s=5e7)


def plan(**changes):
    chosen = {
        "lengths": [300], "spans": [20], "positions": ["start"], "repeats": 3, "readings": 3, "budget": 100.0,
        "peer_lengths": [300],
    }  # fmt: skip
    return Plan(**(chosen | changes))


def ahead(folder):
    """The adapter in `folder`, said to be trained for a lookahead of 12 tokens."""
    (folder / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 12}')
    return folder
