"""Probes: what is put after a context to see whether the model still knows a passage, and what comes of it.

A probe is a prompt that leads to the passage, and the passage's own first tokens after it. A model that attends to
the passage goes on with just these (induction heads, Olsson et al. 2022, arXiv 2209.11895).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from torch import Tensor

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.documents.spans import Span
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Generated, Sampling, answer_logits, generate
from kveraser_core.model.prompts import Prompt, Role

SCORED = 32
"""Tokens of a passage, at most, that a probe scores."""
ANSWER = 32
"""Tokens of the longest answer to a probe or a question."""
_LEAD = 24
_PLACE = 'What does the document say right after "{lead}"? Quote it.'
_START = "How does the document begin? Quote it."


@dataclass(frozen=True)
class Probe:
    """`prompt` leads to the passage, whose first tokens are `ids`."""

    prompt: tuple[int, ...]
    ids: tuple[int, ...]


def probes_of(
    prompt: Prompt, ids: Sequence[int], span: Span, start: int, last: Role = "document"
) -> tuple[Probe, Probe]:
    """The words before the `span` of `ids`, in which the document begins at `start`, said again; and a question.

    The context ends with a text of the role `last`.
    """
    backbone = prompt.backbone
    lead, wanted = ids[max(start, span.start - _LEAD) : span.start], tuple(ids[span.start : span.end][:SCORED])
    question = _PLACE.format(lead=" ".join(backbone.text_of(lead).split())) if lead else _START
    again = (*backbone.tokenize("\n\n")[0], *lead)
    return Probe(again, wanted), Probe(tuple(prompt.question_ids(question, last=last)), wanted)


def probe_logits(backbone: Backbone, cache: EditableCache, probe: Probe) -> Tensor:
    """The logits with which the probe's tokens would follow its prompt after `cache`: `[ids, vocabulary]`."""
    return answer_logits(backbone, cache, probe.prompt, probe.ids)


def log_probability(logits: Tensor, ids: Sequence[int]) -> float:
    """The mean log-probability of `ids`, in nats a token, where they have `logits`, `[ids, vocabulary]`."""
    picked = logits.log_softmax(-1)[range(len(ids)), list(ids)]
    return picked.mean().item()


def answer_to(backbone: Backbone, cache: EditableCache, prompt: Sequence[int]) -> Generated:
    """The greedy answer to a prompt after `cache`."""
    *_, answer = generate(backbone, cache, prompt, Sampling(max_tokens=ANSWER))
    assert isinstance(answer, Generated)
    return answer


def overlap(answer: str, passage: str) -> int:
    """How many words the longest run has that `answer` and `passage` share, whatever its case."""
    said, known = answer.lower().split(), passage.lower().split()
    return SequenceMatcher(None, said, known, autojunk=False).find_longest_match().size
