"""The erase methods by name, and the plan that is made of one."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from kveraser_core.errors import KVEraserError
from kveraser_core.methods.base import CannotReplace, EraseMethod
from kveraser_core.methods.delete_shift import DeleteShift
from kveraser_core.methods.edits import Edit, joined, suffix_tokens
from kveraser_core.methods.erratum import Erratum
from kveraser_core.methods.full_recompute import FullRecompute
from kveraser_core.methods.kveraser import KVEraser
from kveraser_core.methods.kveraser_lookahead import KVEraserLookahead
from kveraser_core.methods.kveraser_repair import KVEraserRepair
from kveraser_core.methods.local_repair import LocalRepair
from kveraser_core.methods.mask import Mask
from kveraser_core.methods.none import NoErase
from kveraser_core.methods.plan import EditPlan
from kveraser_core.model.backbone import Backbone

NONE, REFERENCE = "none", "full_recompute"
"""The methods that erase nothing, and exactly."""
METHODS: dict[str, EraseMethod] = {
    method.name: method
    for method in (
        NoErase(),
        Mask(),
        DeleteShift(),
        LocalRepair(),
        Erratum(),
        KVEraser(),
        KVEraserLookahead(),
        KVEraserRepair(),
        FullRecompute(),
    )
}


DEFAULTS = ("kveraser_repair", "kveraser", "local_repair")
"""The methods that are used where none is named: the first that there is an eraser for."""


class UnknownMethod(KVEraserError):
    """A name that no erase method has."""


def get_method(name: str) -> EraseMethod:
    """The erase method called `name`. Raises `UnknownMethod`.

    `NAME:K` is a method that recomputes `k` suffix tokens with another number of them.
    """
    base, colon, count = name.partition(":")
    method: Any = METHODS.get(base)
    if method and not colon:
        return method
    if method and method.k and re.fullmatch("[1-9][0-9]{0,5}", count):
        return replace(method, k=int(count))
    chosen = " or ".join(f"{method.name}:K" for method in METHODS.values() if method.k)
    raise UnknownMethod(
        f"There is no erase method {name!r}: use one of {', '.join(METHODS)}, or {chosen} to recompute K tokens."
    )


def ordered(names: Iterable[str]) -> list[str]:
    """Method names, each once, in the registry's order and with fewer tokens before more. Raises `UnknownMethod`."""
    places, found = list(METHODS), {name: get_method(name) for name in names}
    return sorted(found, key=lambda name: (places.index(found[name].name), found[name].k or 0))


def usable(backbone: Backbone) -> list[str]:
    """The names of the methods that `backbone` has the eraser for."""
    return [name for name, method in METHODS.items() if method.eraser is None or backbone.has_eraser(method.eraser)]


def default_method(backbone: Backbone) -> str:
    """The name of the method that is used where none is named: the best that `backbone` has the eraser for."""
    names = usable(backbone)
    return next(name for name in DEFAULTS if name in names)


def make_plan(method: EraseMethod, ids: Sequence[int], edits: Sequence[Edit], backbone: Backbone) -> EditPlan:
    """The plan of `method` for `edits`, sorted ones that do not overlap; errors as in `EraseMethod.plan`.

    Where it would recompute the whole suffix anyway, it is the plan of full recompute, which is exact. Where nothing
    is to be edited it is that of `none`, and a missing eraser is an error all the same.
    """
    method.check_eraser(backbone)
    apart = joined(edits)
    if not apart:
        return METHODS[NONE].plan(ids, apart, backbone)
    plan = method.plan(ids, apart, backbone)
    if plan.closed and plan.suffix_tokens == suffix_tokens(ids, apart):
        return METHODS[REFERENCE].plan(ids, apart, backbone)
    return plan


__all__ = [
    "METHODS",
    "REFERENCE",
    "CannotReplace",
    "EraseMethod",
    "UnknownMethod",
    "default_method",
    "get_method",
    "make_plan",
    "ordered",
    "usable",
]
