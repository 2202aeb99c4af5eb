"""Measuring what is left of edited passages: the same probes after four contexts."""

import hashlib
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from torch import Tensor

from kveraser_core.cache.editable_cache import EditableCache
from kveraser_core.documents.spans import Span
from kveraser_core.errors import KVEraserError
from kveraser_core.methods import NONE, REFERENCE, get_method, make_plan
from kveraser_core.methods.apply import apply
from kveraser_core.methods.edits import Edit, edited_ids, kept_spans
from kveraser_core.model.generation import Generated, agreement, answer_logits
from kveraser_core.model.provenance import provenance
from kveraser_core.sessions.edited_spans import Edits, SlotMap
from kveraser_core.sessions.probes import Probe, answer_to, log_probability, overlap, probe_logits, probes_of
from kveraser_core.sessions.report import AskedQuestion, Control, Copy, ErasureReport, PassageReport, Recall

_CHUNK = 200
"""Tokens at a time in which the exact context is prefilled anew: others than the executor's, to measure the noise."""
_SHORTEST = 4
"""Tokens of the shortest control passage."""
Progress = Callable[[float], None]


def ignored(share: float) -> None:
    """A `Progress` that nobody looks at."""


class NothingToReport(KVEraserError):
    """A report on a document in which nothing is erased or replaced."""


@dataclass(frozen=True)
class Reporter:
    """Measures `edits` of a document by `method`, and what is said to `questions`, each with its token ids.

    `progress` gets the share that is done, and may raise.
    """

    map: SlotMap
    edits: Edits
    method: str
    questions: Mapping[str, Sequence[int]]
    progress: Progress

    def report(self, command: str) -> ErasureReport:
        """Leaves the cache as it was. Raises `NothingToReport`, and what the method and `progress` raise."""
        if not self.edits:
            raise NothingToReport("Nothing is erased or replaced: do that first, then report on what is left of it.")
        backbone = self.map.context.backbone
        passages = [self._probes(edit.span) for edit in self.edits]
        control = self._control()
        prompts = list(self.questions.values())
        exact = self._exact()
        expected = [[probe_logits(backbone, exact, probe) for probe in probes] for probes in passages]
        self.progress(0.3)
        recalls = [dict[str, Recall]() for _ in passages]
        answers = [{"exact": answer_to(backbone, exact, prompt)} for prompt in prompts]
        kls, noises = [dict[str, float]() for _ in prompts], [0.0] * len(passages)
        controls = dict[str, Recall]()
        for done, (name, method) in enumerate((("original", NONE), ("noise", REFERENCE), ("edited", self.method))):
            with self._edited(method) as (cache, ran):
                for number, probes in enumerate(passages):
                    logits = [probe_logits(backbone, cache, probe) for probe in probes]
                    kl = max(agreement(*pair)[1] for pair in zip(expected[number], logits, strict=True))
                    if name == "noise":
                        noises[number] = kl
                    else:
                        recalls[number][name] = self._recall(cache, probes, logits, self._text(number), kl)
                for number, prompt in enumerate(prompts):
                    kls[number][name] = self._kl(cache, exact, prompt, answers[number]["exact"])
                    if name != "noise":
                        answers[number][name] = answer_to(backbone, cache, prompt)
                if name == "edited" and control:
                    controls[name] = self._control_recall(cache, control[1])
            self.progress(0.3 + 0.2 * (done + 1))
        never = self._never_read()
        for number, probes in enumerate(passages):
            text = self._text(number)
            recalls[number]["exact"] = self._recall(exact, probes, expected[number], text)
            unread = [probe_logits(backbone, never, probe) for probe in probes]
            recalls[number]["never_read"] = self._recall(never, probes, unread, text)
        if control:
            controls["never_read"] = self._control_recall(never, control[1])
        copies = self._copies()
        self.progress(1.0)
        return ErasureReport(
            self._about(ran, command),
            tuple(
                PassageReport(self.map.shown(edit), self._page(edit.span), recalls[number], noises[number], found)
                for number, (edit, found) in enumerate(zip(self.edits, copies, strict=True))
            ),
            tuple(
                self._asked(question, said, kl)
                for question, said, kl in zip(self.questions, answers, kls, strict=True)
            ),
            Control(*self._shown(control[0]), controls["edited"], controls["never_read"]) if control else None,
        )

    @contextmanager
    def _edited(self, method: str) -> Iterator[tuple[EditableCache, str]]:
        context = self.map.context
        plan = make_plan(get_method(method), context.ids, self.edits, context.backbone)
        edited = apply(plan, context.cache, context.backbone)
        try:
            yield edited.cache, edited.method
        finally:
            edited.release()

    def _exact(self) -> EditableCache:
        """The edited text prefilled anew."""
        context = self.map.context
        ids = edited_ids(context.ids, self.edits)
        cache = context.cache.another(len(ids) + context.headroom)
        for start in range(0, len(ids), _CHUNK):
            context.backbone.encode(ids[start : start + _CHUNK], cache, num_outputs=0)
            self.progress(0.3 * start / len(ids))
        return cache

    def _never_read(self) -> EditableCache:
        """The prompt's opening alone."""
        context = self.map.context
        cache = context.cache.another(context.document_start + context.headroom)
        context.backbone.encode(context.prompt.head_ids, cache, num_outputs=0)
        return cache

    def _recall(
        self,
        cache: EditableCache,
        probes: Sequence[Probe],
        logits: Sequence[Tensor],
        passage: str,
        kl: float | None = None,
    ) -> Recall:
        """What `probes` of a `passage` give after `cache`, where their tokens have `logits`."""
        said = answer_to(self.map.context.backbone, cache, probes[1].prompt).text.strip()
        found = [log_probability(rows, probe.ids) for rows, probe in zip(logits, probes, strict=True)]
        return Recall(found[0], found[1], said, overlap(said, passage), kl)

    def _control_recall(self, cache: EditableCache, probes: Sequence[Probe]) -> Recall:
        backbone = self.map.context.backbone
        logits = [probe_logits(backbone, cache, probe) for probe in probes]
        return self._recall(cache, probes, logits, backbone.text_of(probes[1].ids))

    def _text(self, number: int) -> str:
        return self.map.shown(self.edits[number]).text

    def _kl(self, cache: EditableCache, exact: EditableCache, prompt: Sequence[int], answer: Generated) -> float:
        backbone = self.map.context.backbone
        expected = answer_logits(backbone, exact, prompt, answer.token_ids)
        return agreement(expected, answer_logits(backbone, cache, prompt, answer.token_ids))[1]

    def _asked(self, question: str, said: dict[str, Generated], kl: dict[str, float]) -> AskedQuestion:
        texts = {name: answer.text.strip() for name, answer in said.items()}
        passages = [self.map.shown(edit).text for edit in self.edits]
        shared = {name: max(overlap(text, passage) for passage in passages) for name, text in texts.items()}
        return AskedQuestion(question, texts, {k: kl[k] for k in ("original", "edited")}, kl["noise"], shared)

    def _control(self) -> tuple[Span, tuple[Probe, Probe]] | None:
        """A passage that is not edited, in the middle of what is left whole.

        It is as long as the longest that is edited, and no shorter than what a probe can find.
        """
        context = self.map.context
        kept = kept_spans([edit.span for edit in self.edits], len(context.ids))
        kept[0] = replace(kept[0], start=context.document_start)
        longest = max(kept, key=len)
        length = min(max(_SHORTEST, *(len(edit.span) for edit in self.edits)), len(longest) // 2)
        if length < _SHORTEST:
            return None
        ends = context.backbone.breaks.sentences(context.ids).nonzero().flatten().tolist()
        middle = longest.start + (len(longest) - length) // 2
        start = next((end + 1 for end in ends if middle <= end < longest.end - length), middle)
        span = Span(start, start + length)
        return span, self._probes(span)

    def _probes(self, slots: Span) -> tuple[Probe, Probe]:
        context, last = self.map.context, self.map.segments[-1].role
        return probes_of(context.prompt, context.ids, slots, context.document_start, last)

    def _copies(self) -> list[tuple[Copy, ...]]:
        """For each edit the passages that are not edited and say the same, or nearly."""
        from kveraser_core.documents.similar.finder import SimilarFinder  # its sentence model is an extra

        document, finder = self.map.document, SimilarFinder(self.map.document.text)
        spans = [self.map.shown(edit).characters for edit in self.edits]
        made = list[tuple[Copy, ...]]()
        for span in spans:
            others = [other for other in spans if other != span]
            found = finder.find([span])
            left = [one for one in found if not any(_meet(one.span, other) for other in others)]
            pages = [document.page_at(one.span.start) for one in left]
            made.append(
                tuple(
                    Copy(one.span.start, one.span.end, page, one.text, one.literal)
                    for one, page in zip(left, pages, strict=True)
                )
            )
        return made

    def _shown(self, slots: Span) -> tuple[str, int]:
        return self.map.shown(Edit(slots)).text, self._page(slots)

    def _page(self, slots: Span) -> int:
        start = self.map.shown(Edit(slots)).characters.start
        return max(sum(first <= start for first in self.map.document.page_starts), 1)

    def _about(self, ran: str, command: str) -> dict[str, Any]:
        document, backbone = self.map.document, self.map.context.backbone
        return {
            "document": document.title,
            "sha256": hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest(),
            "context_tokens": len(self.map.context.ids),
            "method": self.method,
            "ran": ran,
            **{name: value for name, value in provenance(backbone, None).items() if name != "seed"},
            "cache_dtype": str(backbone.engine.cache_dtype).removeprefix("torch."),
            "versions": {name: _version(name) for name in ("kveraser", "torch", "transformers")}
            | {"python": platform.python_version()},
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
        }


def _meet(span: Span, other: Span) -> bool:
    return span.start < other.end and other.start < span.end


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from its folder
        return "unknown"
