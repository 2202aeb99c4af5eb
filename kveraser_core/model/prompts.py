"""The conversation around a document: what comes before it, and the questions after it.

The chat template of the model is rendered around placeholders and cut there. Its own pieces are
tokenised with special tokens, the user's text never is: a document, question or answer that contains
`<|im_end|>` cannot end a turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from kveraser_core.model.backbone import Backbone

SYSTEM = "You answer questions about a document. Use only the document. Answer briefly."
_DOCUMENT, _DATA = "\x02DOCUMENT\x03", "\x02DATA\x03"


@dataclass(frozen=True)
class Turn:
    """An earlier question and the answer it got."""

    question: str
    answer: str


class Prompt:
    """Token ids of everything that is not the document, for one backbone."""

    def __init__(self, backbone: Backbone, system: str = SYSTEM) -> None:
        self.backbone = backbone
        self.system = system
        self.head_ids = backbone.tokenize_template(self._render(0).split(_DOCUMENT)[0])

    def question_ids(self, question: str, history: Sequence[Turn] = ()) -> list[int]:
        """What follows the document: earlier turns, the question, and the opening of the answer."""
        data = [text for turn in history for text in (turn.question, turn.answer)] + [question]
        pieces = self._render(len(history)).split(_DOCUMENT)[1].split(_DATA)
        ids = self.backbone.tokenize_template(pieces[0])
        for text, piece in zip(data, pieces[1:], strict=True):
            ids += self.backbone.tokenize(text)[0] + self.backbone.tokenize_template(piece)
        return ids

    def _render(self, turns: int) -> str:
        messages = [{"role": "user", "content": f"Document:\n{_DOCUMENT}\n\nQuestion: {_DATA}"}]
        for _ in range(turns):
            messages.append({"role": "assistant", "content": _DATA})
            messages.append({"role": "user", "content": f"Question: {_DATA}"})
        tokenizer = self.backbone.tokenizer
        if tokenizer.chat_template is None:
            lines = [self.system, *(message["content"] for message in messages), ""]
            return "\n\n".join(lines) + "Answer:"
        options: dict[str, Any] = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
        try:
            system = {"role": "system", "content": self.system}
            return str(tokenizer.apply_chat_template([system, *messages], **options))
        except TemplateError:
            messages[0]["content"] = f"{self.system}\n\n{messages[0]['content']}"
            return str(tokenizer.apply_chat_template(messages, **options))
