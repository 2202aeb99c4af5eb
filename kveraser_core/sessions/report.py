"""What is left of erased passages, as measured: the data of a report, its verdicts and its sentences.

A verdict is decided by numeric noise. The exact context is prefilled twice, in different chunks, and how far the
two are from one another on the same probes is the noise. What is no further from exact cannot be told from it.
"""

from dataclasses import asdict, dataclass
from typing import Any

from kveraser_core.sessions.edited_spans import EditedSpan

LIMITS = (
    "It measures this model, this cache and these probes, on the first 32 tokens of a passage: it is no proof that "
    "no other question would bring the passage out, and says nothing of what the model was trained on."
)
CONTEXTS = ("original", "edited", "exact", "never_read")
"""The document as it is; as edited by the method; prefilled anew as edited; and no document at all."""
_NOISE, _LEAST, _FOUND = 4.0, 1e-5, 0.25
"""How many times the noise, and how many nats, are still noise; nats a token by which a probe finds a passage."""


@dataclass(frozen=True)
class Recall:
    """What probes of a passage give in one context.

    Mean log-probabilities of its tokens, in nats a token: `continued` from the words before it, and `asked` for by a
    question; the greedy `answer` to that, and its `overlap` with the passage, in words. `kl` is the larger mean KL
    from exact of the two, in nats a token, where that was measured.
    """

    continued: float
    asked: float
    answer: str
    overlap: int
    kl: float | None = None


@dataclass(frozen=True)
class Copy:
    """The passage said elsewhere: literally, or something much like it, with its page, from 1."""

    start: int
    end: int
    page: int
    text: str
    literal: bool


@dataclass(frozen=True)
class AskedQuestion:
    """A user's question: its answers by context, KL from exact along exact's answer, the noise, and the overlap."""

    question: str
    answers: dict[str, str]
    kl: dict[str, float]
    noise: float
    overlap: dict[str, int]


@dataclass(frozen=True)
class Control:
    """A passage that was not edited: probes that cannot find it say nothing of one that was."""

    text: str
    page: int
    edited: Recall
    never_read: Recall

    @property
    def found(self) -> bool:
        return gain(self.edited, self.never_read) > _FOUND


@dataclass(frozen=True)
class PassageReport:
    """What is left of one passage: `recalls` by context, the noise of `kl` on its probes, and its copies."""

    passage: EditedSpan
    page: int
    recalls: dict[str, Recall]
    noise: float
    copies: tuple[Copy, ...]

    @property
    def share_left(self) -> float:
        """How much likelier it is than in the exact context, as a share of what it was in the original."""
        before = gain(self.recalls["original"], self.recalls["exact"])
        return max(gain(self.recalls["edited"], self.recalls["exact"]) / before, 0.0) if before > 0 else 0.0


@dataclass(frozen=True)
class ErasureReport:
    """What is left of all edited passages; `about` says of what and how that was measured."""

    about: dict[str, Any]
    passages: tuple[PassageReport, ...]
    questions: tuple[AskedQuestion, ...]
    control: Control | None

    @property
    def noise(self) -> float:
        """The largest KL between two exact contexts, in nats a token."""
        return max([one.noise for one in self.passages] + [one.noise for one in self.questions])

    @property
    def kl(self) -> float:
        """The largest KL of the edited context from exact, in nats a token."""
        probed = [one.recalls["edited"].kl or 0.0 for one in self.passages]
        return max([*probed, *(one.kl["edited"] for one in self.questions)])

    def verdict(self, passage: PassageReport | None = None) -> str:
        """`exact`, `approximate` or `present`, of one passage or of the worst of them."""
        if passage is None:
            verdicts = {self.verdict(one) for one in self.passages}
            worst = next(one for one in ("present", "approximate", "exact") if one in verdicts)
            asked = any(not self._is_noise(one.kl["edited"]) for one in self.questions)
            return "approximate" if worst == "exact" and asked else worst
        if self._is_noise(passage.recalls["edited"].kl or 0.0):
            return "exact"
        return "present" if passage.share_left > 0.5 else "approximate"

    def _is_noise(self, kl: float) -> bool:
        return kl <= _NOISE * self.noise + _LEAST

    def sentence(self, passage: PassageReport | None = None) -> str:
        """The verdict with its figures, of one passage or of all."""
        kl = self.kl if passage is None else passage.recalls["edited"].kl or 0.0
        figures = f"KL from exact up to {kl:.2g} nats a token on these probes, noise {self.noise:.2g}"
        match self.verdict(passage):
            case "exact":
                return f"Cannot be told from a document without it, within numeric noise: {figures}."
            case "approximate":
                return f"Approximate: {figures}."
        share = max(one.share_left for one in self.passages) if passage is None else passage.share_left
        return f"Still there: {share:.0%} of what the model knew of it is left; {figures}."

    def as_json(self) -> dict[str, Any]:
        """The report as programs get it; docs/cli.md documents it."""
        return {
            **self.about,
            "verdict": self.verdict(),
            "sentence": self.sentence(),
            "kl": self.kl,
            "noise": self.noise,
            "limits": LIMITS,
            "passages": [self._passage(one) for one in self.passages],
            "questions": [asdict(one) for one in self.questions],
            "control": None if self.control is None else asdict(self.control) | {"found": self.control.found},
        }

    def _passage(self, one: PassageReport) -> dict[str, Any]:
        return {
            "start": one.passage.characters.start,
            "end": one.passage.characters.end,
            "page": one.page,
            "text": one.passage.text,
            "new_text": one.passage.new_text,
            "tokens": one.passage.tokens,
            "verdict": self.verdict(one),
            "sentence": self.sentence(one),
            "share_left": one.share_left,
            "noise": one.noise,
            "contexts": {name: asdict(recall) for name, recall in one.recalls.items()},
            "copies": [asdict(copy) for copy in one.copies],
        }


def gain(recall: Recall, other: Recall) -> float:
    """How much likelier a passage is by `recall` than by `other`, by the probe that tells more; nats a token."""
    return max(recall.continued - other.continued, recall.asked - other.asked)
