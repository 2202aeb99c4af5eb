"""What became of documents that are no longer in memory, by the hash of their ids, for a while."""

import hashlib
from collections import OrderedDict

_OF_A_CLIENT, _CLIENTS = 256, 256


class Departed:
    """Why ids are gone: the newest of each client, so that nobody can crowd out what the others are told."""

    def __init__(self) -> None:
        self._reasons: OrderedDict[str, OrderedDict[bytes, str]] = OrderedDict()

    def note(self, client: str, key: str, reason: str) -> None:
        """Document `key` of `client` is gone for `reason`, a text's key."""
        own = self._reasons.setdefault(client, OrderedDict())
        self._reasons.move_to_end(client)
        own[_hash(key)] = reason
        if len(own) > _OF_A_CLIENT:
            own.popitem(last=False)
        if len(self._reasons) > _CLIENTS:
            self._reasons.popitem(last=False)

    def reason(self, key: str) -> str | None:
        """Why `key` is gone, if that is still known."""
        hashed = _hash(key)
        return next((own[hashed] for own in self._reasons.values() if hashed in own), None)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
