"""The token that a request needs to have where the page is served to other machines."""

import re
import secrets

from app.hosts import is_this_machine
from kveraser_core.errors import KVEraserError

_LEAST = 12


class TokenError(KVEraserError):
    """A token that is too easy to guess, or that an address line or a header cannot have."""


def chosen_token(given: str | None, host: str) -> str | None:
    """`given`; without it a new one where `host` can be reached from elsewhere, else none. Raises `TokenError`."""
    if given is None:
        return None if is_this_machine(host) else secrets.token_urlsafe(24)
    if len(given) < _LEAST or not re.fullmatch(r"[A-Za-z0-9._~-]+", given):
        raise TokenError(
            f"This --token cannot be used: give one of {_LEAST} or more letters, digits, and the signs . _ ~ -"
        )
    return given
