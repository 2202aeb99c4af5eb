"""The conversation around a document: what comes before it, and the questions after it.

The chat template of the model is rendered around placeholders and cut there. Its own pieces are
tokenised with special tokens, the user's text never is: a document, question or answer that contains
`<|im_end|>` cannot end a turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jinja2 import TemplateError

from kveraser_core.model.backbone import Backbone

SYSTEM = "You answer questions about a document. Use only the document. Answer briefly."
Role = Literal["document", "user", "assistant", "tool"]
"""What a text of a context is: a document, a question, an answer, or the output of a tool."""
_QUESTION = "Question: "
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

    def question_ids(self, question: str, history: Sequence[Turn] = (), last: Role = "document") -> list[int]:
        """What follows a context that ends with a text of the role `last`.

        Earlier turns, the question, and the opening of the answer.
        """
        data = [text for turn in history for text in (turn.question, turn.answer)] + [question]
        pieces = self._pieces(len(history))
        if last == "assistant":
            pieces[0] = self._pieces(1)[2]
        ids = self.backbone.tokenize_template(pieces[0])
        for text, piece in zip(data, pieces[1:], strict=True):
            ids += self.backbone.tokenize(text)[0] + self.backbone.tokenize_template(piece)
        return ids

    def before(self, role: Role, last: Role) -> list[int]:
        """What stands between a text of the role `last` and one of `role` after it."""
        question, answer, next_question, _ = self._pieces(1)
        same_turn, next_turn = "\n\n", next_question.removesuffix(_QUESTION)
        if role == "assistant":
            piece = same_turn if last == "assistant" else answer
        elif role == "user":
            piece = next_question if last == "assistant" else question
        else:
            label = "Document:\n" if role == "document" else "Output of a tool:\n"
            piece = (next_turn if last == "assistant" else same_turn) + label
        return self.backbone.tokenize_template(piece)

    def _pieces(self, turns: int) -> list[str]:
        """The template's own text after the document, around the questions and answers of so many turns and one."""
        return self._render(turns).split(_DOCUMENT)[1].split(_DATA)

    def _render(self, turns: int) -> str:
        messages = [{"role": "user", "content": f"Document:\n{_DOCUMENT}\n\n{_QUESTION}{_DATA}"}]
        for _ in range(turns):
            messages.append({"role": "assistant", "content": _DATA})
            messages.append({"role": "user", "content": f"{_QUESTION}{_DATA}"})
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
