"""The erase methods, by name."""

from kveraser_core.erasers.base import ErasedCache, EraseMethod
from kveraser_core.erasers.delete_shift import DeleteShift
from kveraser_core.erasers.erratum import Erratum
from kveraser_core.erasers.full_recompute import FullRecompute
from kveraser_core.erasers.kveraser import KVEraser
from kveraser_core.erasers.kveraser_repair import KVEraserRepair
from kveraser_core.erasers.local_repair import LocalRepair
from kveraser_core.erasers.mask import Mask
from kveraser_core.erasers.none import NoErase
from kveraser_core.errors import KVEraserError

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
    """The erase method called `name`. Raises `UnknownMethod`."""
    if name not in METHODS:
        raise UnknownMethod(f"There is no erase method {name!r}: use one of {', '.join(METHODS)}.")
    return METHODS[name]


__all__ = ["METHODS", "EraseMethod", "ErasedCache", "UnknownMethod", "get_method"]
