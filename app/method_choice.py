"""The choice of erase methods: the one that answers, and those that are compared."""

from dataclasses import dataclass
from typing import Any

from app.widget import Widget
from app.workspace import Workspace
from kveraser_core.methods import NONE, REFERENCE, default_method, usable
from kveraser_core.model.backbone import Backbone

_QUESTION = 32
"""About so many tokens has a question, with what is around it."""


@dataclass(frozen=True)
class Chosen:
    """The names of the erase method that answers and of those that are compared.

    They may be others than those offered, of a page that was loaded before the server was started again without the
    eraser: the session refuses them in a sentence.
    """

    method: str
    compare: list[str]


class MethodChoice(Widget):
    """Every method in plain words, with the seconds to expect. What is chosen is kept in the browser."""

    scripts = ("methods",)
    styles = ("panel", "methods")

    def preprocess(self, payload: Any) -> Chosen:  # type: ignore[override]
        data = payload if isinstance(payload, dict) else {}
        compare = data.get("compare")
        return Chosen(str(data.get("method")), [str(name) for name in compare] if isinstance(compare, list) else [])


def method_choice(backbone: Backbone, workspace: Workspace | None = None) -> dict[str, Any]:
    """The data of the choice: the methods on offer, the default one first, and which are compared to begin with."""
    first = [default_method(backbone), REFERENCE]
    return {
        "offered": [*first, *(name for name in usable(backbone) if name not in first)],
        "compare_first": [*first, NONE],
        "seconds": _seconds(workspace) if workspace and workspace.edits else {},
    }


def _seconds(workspace: Workspace) -> dict[str, float]:
    """The seconds to the first token by the methods: as last measured with these edits.

    Full recompute's are what prefilling as many tokens took, where it has not run yet: those of a question alone once
    its cache is there.
    """
    edits, session = workspace.edits, workspace.session
    answers = [answer for made in list(workspace.comparisons) if made.edits == edits for answer in made.answers]
    answers += [turn.answer for turn in list(workspace.turns) if turn.answer and turn.edits == edits]
    found = {answer.method: answer.ttft_s for answer in answers if not answer.error}
    exact = session.exactness.state == "exact"
    if exact or REFERENCE not in found:
        found[REFERENCE] = workspace.prefill.of_last(_QUESTION + (0 if exact else session.suffix_tokens))
    return found
