"""The interface of every erase method."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from kveraser_core.errors import KVEraserError
from kveraser_core.methods.edits import Edit
from kveraser_core.methods.plan import EditPlan
from kveraser_core.model.backbone import Backbone


class CannotReplace(KVEraserError):
    """Text to put in the place of a passage, for a method that has no way to do so."""


class EraseMethod(ABC):
    """Turns edits into a plan."""

    name: ClassVar[str]
    eraser: ClassVar[str | None] = None
    """The method that an eraser must have been trained for to be used by this one; `None` where none is needed."""
    k: int | None = None
    """How many suffix tokens are recomputed, where that can be chosen."""

    def check_eraser(self, backbone: Backbone) -> None:
        """Raise `MissingEraser` unless `backbone` has the eraser that this method needs, if any."""
        if self.eraser:
            backbone.eraser_for(self.eraser)

    @abstractmethod
    def plan(self, ids: Sequence[int], edits: Sequence[Edit], backbone: Backbone) -> EditPlan:
        """How to make `edits` of a context of the tokens `ids`, token i in slot i.

        The edits are sorted, their spans in slots, and these neither overlap nor touch; there is at least one. No
        question is known. Nothing is computed by the model. Raises `MissingEraser` and `CannotReplace`.
        """
