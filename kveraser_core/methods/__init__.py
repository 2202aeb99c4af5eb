"""The erase methods, by name."""

import re
from collections.abc import Iterable
from dataclasses import replace

from kveraser_core.errors import KVEraserError
from kveraser_core.methods.base import ErasedCache, EraseMethod
from kveraser_core.methods.delete_shift import DeleteShift
from kveraser_core.methods.erratum import Erratum
from kveraser_core.methods.full_recompute import FullRecompute
from kveraser_core.methods.kveraser import KVEraser
from kveraser_core.methods.kveraser_repair import KVEraserRepair
from kveraser_core.methods.local_repair import LocalRepair
from kveraser_core.methods.mask import Mask
from kveraser_core.methods.none import NoErase

METHODS: dict[str, EraseMethod] = {
    method.name: method
    for method in (
        NoErase(),
        Mask(),
        DeleteShift(),
        LocalRepair(),
        Erratum(),
        KVEraser(),
        KVEraserRepair(),
        FullRecompute(),
    )
}


class UnknownMethod(KVEraserError):
    """A name that no erase method has."""


def get_method(name: str) -> EraseMethod:
    """The erase method called `name`. Raises `UnknownMethod`.

    `NAME:K` is a method that reads `k` tokens again, 32 by default, with another number of them.
    """
    base, colon, count = name.partition(":")
    method = METHODS.get(base)
    if method and not colon:
        return method
    if isinstance(method, (LocalRepair, KVEraserRepair)) and re.fullmatch("[1-9][0-9]{0,5}", count):
        return replace(method, k=int(count))
    raise UnknownMethod(
        f"There is no erase method {name!r}: use one of {', '.join(METHODS)}, "
        "or local_repair:K or kveraser_repair:K to read K tokens again."
    )


def ordered(names: Iterable[str]) -> list[str]:
    """Method names, each once, in the registry's order and with fewer tokens before more. Raises `UnknownMethod`."""
    places, found = list(METHODS), {name: get_method(name) for name in names}
    return sorted(found, key=lambda name: (places.index(found[name].name), getattr(found[name], "k", 0)))


__all__ = ["METHODS", "EraseMethod", "ErasedCache", "UnknownMethod", "get_method", "ordered"]
