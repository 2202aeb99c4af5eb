"""The interface of every erase method."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from kveraser_core.documents.spans import Span
from kveraser_core.methods.plan import EditPlan
from kveraser_core.model.backbone import Backbone


class EraseMethod(ABC):
    """Turns spans to erase into a plan."""

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
    def plan(self, ids: Sequence[int], spans: Sequence[Span], backbone: Backbone) -> EditPlan:
        """How to erase `spans` from a context of the tokens `ids`, token i in slot i.

        The spans are sorted, in slots, and neither overlap nor touch; there is at least one. No question is known.
        Nothing is computed by the model. Raises `MissingEraser`.
        """
