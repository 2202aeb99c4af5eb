"""How many tokens a pass in the background takes, and how long what is left of the work will take."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kveraser_core.model.generation import CHUNK

WAIT_S = 0.15
"""How long a question may wait for a pass in the background to give way."""
_FEWEST = 16


@dataclass
class Pace:
    """Follows the machine's speed; `seconds_a_token` is that of the model's last pass."""

    seconds_a_token: float | None = None
    tokens: int = field(default_factory=lambda: CHUNK)

    def note(self, tokens: int, seconds: float, longest_s: float) -> None:
        """A pass of so many tokens took `seconds`, of which others could have waited for `longest_s` at a time."""
        self.seconds_a_token = seconds / tokens
        if longest_s > WAIT_S and self.tokens > _FEWEST:
            self.tokens //= 2
        elif longest_s < WAIT_S / 3 and self.tokens < CHUNK:
            self.tokens *= 2


class Watch:
    """Measures a pass that gives way: `seconds` of work, and `longest_s` of it without giving way."""

    def __init__(self, give_way: Callable[[], float]) -> None:
        self._give_way = give_way
        self._since = time.perf_counter()
        self.seconds = self.longest_s = 0.0

    def __call__(self) -> None:
        """Note what was worked, and give way."""
        self.stop()
        self._give_way()
        self._since = time.perf_counter()

    def stop(self) -> None:
        """Note what was worked."""
        worked = time.perf_counter() - self._since
        self.seconds += worked
        self.longest_s = max(self.longest_s, worked)
