"""How near a session is to exact answers, as it is told."""

from dataclasses import dataclass

from kveraser_core.errors import KVEraserError
from kveraser_core.methods import REFERENCE


class NotExact(KVEraserError):
    """An exact answer by a method that gives approximate ones."""


@dataclass(frozen=True)
class Exactness:
    """How near a session is to exact answers.

    `state` is `exact`; `working`; `waiting` for memory; `failed`, for a `reason`; or `off` where nothing is done for
    it. `done` of `total` tokens are recomputed; the rest will take `seconds`, if the model is not needed otherwise.
    """

    state: str
    done: int = 0
    total: int = 0
    seconds: float | None = None
    reason: str = ""


def check_exact(method: str | None, exact: bool) -> None:
    """Raise `NotExact` where an answer is to be `exact` and by a method that is not."""
    if exact and method not in (None, REFERENCE):
        raise NotExact(f"An exact answer is that of {REFERENCE}: leave {method} out, or do not ask for exactness.")
