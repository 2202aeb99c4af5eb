"""Documents too long for the model's window, kept for the tabs that are to choose some of their pages."""

import threading
from collections import OrderedDict

from app.texts import WordedError
from kveraser_core.documents import Document

_OF_A_CLIENT, _OF_ALL = 4, 32


class NotKept(WordedError):
    """A document whose pages can no longer be chosen."""


class Shelf:
    """A document a tab; the oldest go, of the client that has too many, else of the one that has most."""

    def __init__(self) -> None:
        self._documents: OrderedDict[str, tuple[str, Document]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, owner: str, client: str, document: Document) -> None:
        """Keep `document` for the tab `owner` of `client`."""
        with self._lock:
            self._documents.pop(owner, None)
            self._documents[owner] = client, document
            clients = [client for client, _ in self._documents.values()]
            most = max(clients, key=clients.count)
            full = clients.count(client) > _OF_A_CLIENT
            if full or len(clients) > _OF_ALL:
                crowding = client if full else most
                del self._documents[next(tab for tab, kept in self._documents.items() if kept[0] == crowding)]

    def get(self, owner: str) -> Document:
        """The document of the tab `owner`. Raises `NotKept`."""
        with self._lock:
            if owner not in self._documents:
                raise NotKept("e_not_kept")
            return self._documents[owner][1]

    def drop(self, owner: str) -> None:
        """The tab `owner` needs its document no more."""
        with self._lock:
            self._documents.pop(owner, None)
