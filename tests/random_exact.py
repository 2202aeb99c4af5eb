"""Random changes and questions of a session while its exact cache is made, at any layer of any chunk."""

import random
from contextlib import suppress
from dataclasses import dataclass, field

import torch

from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span
from kveraser_core.methods import REFERENCE
from kveraser_core.methods.edits import Edit, edited_ids
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Cancelled, Sampling
from kveraser_core.model.model_lock import Interrupted
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.edited_spans import EditedSpan
from kveraser_core.sessions.session import DocumentSession
from tests.tiny import TEXT

Edited = frozenset[tuple[int, str]]
CHUNK = 16
SHORT = Sampling(max_tokens=2)
METHODS = ["none", "mask", "delete_shift", "local_repair:5", "erratum", REFERENCE]
SPANS = [Span(*pair) for pair in ((0, 30), (40, 60), (55, 90), (120, 124), (130, 240), (250, 251), (280, len(TEXT)))]


APPENDED = {"user": "May boats enter at night?", "assistant": "They may.", "tool": "tide: 2 m", "document": TEXT[:40]}


@dataclass
class Model:
    """What is to be edited, by a model of its own: characters, not slots, each with what replaces its passage."""

    edited: Edited = frozenset()
    before: list[Edited] = field(default_factory=list)
    after: list[Edited] = field(default_factory=list)

    def change(self, edited: Edited) -> None:
        if edited != self.edited:
            self.before.append(self.edited)
            self.after.clear()
            self.edited = edited

    def move(self, source: list[Edited], target: list[Edited]) -> bool:
        if source:
            target.append(self.edited)
            self.edited = source.pop()
            return True
        return False

    def erase(self, span: Span, shown: list[EditedSpan]) -> None:
        """A passage that is replaced stays so where not all of it is erased."""
        characters = set(range(span.start, span.end))
        kept = {at for one in shown if one.new_text and not inside(one.characters, span) for at in ranges(one)}
        self.change(
            frozenset(pair for pair in self.edited if pair[0] in kept or pair[0] not in characters)
            | {(at, "") for at in characters - kept}
        )

    def replace(self, span: Span, text: str) -> None:
        others = frozenset(pair for pair in self.edited if not span.start <= pair[0] < span.end)
        self.change(others | {(at, text) for at in range(span.start, span.end)})


def inside(span: Span, other: Span) -> bool:
    return other.start <= span.start and span.end <= other.end


def ranges(shown: EditedSpan) -> range:
    return range(shown.characters.start, shown.characters.end)


class Reference:
    """Answers and exact states from a context that nothing is left in from the last time, with `appended` texts."""

    def __init__(self, backbone: Backbone, appended: tuple[str, ...] = ()) -> None:
        self.appended, self.longer = appended, dict[str, Reference]()
        self.session = DocumentSession.load(backbone, Document(TEXT, "a"), exact_soon=False)
        for role in appended:
            self.session.append(APPENDED[role], role)
        self.cache = self.session._context.cache
        self.original = self.cache.slots(0, self.cache.length)
        self.answers: dict[tuple[tuple[Edit, ...], str], tuple[int, ...]] = {}
        self.states: dict[tuple[Edit, ...], list[torch.Tensor]] = {}

    def with_appended(self, role: str) -> "Reference":
        if role not in self.longer:
            self.longer[role] = Reference(self.session.backbone, (*self.appended, role))
        return self.longer[role]

    def answer(self, edits: tuple[Edit, ...], method: str) -> tuple[int, ...]:
        if (edits, method) not in self.answers:
            self.session.restore_all()
            self.cache.write(self.original)
            self.session._history.change(edits)
            self.answers[edits, method] = self.session.ask("Who?", method, sampling=SHORT).token_ids
        return self.answers[edits, method]

    def exact(self, edits: tuple[Edit, ...]) -> list[torch.Tensor]:
        """The states of all that is not erased: the prefix as it was, the rest prefilled after it."""
        if edits not in self.states:
            backbone, ids = self.session.backbone, self.session._context.ids
            start, kept = edits[0].span.start if edits else len(ids), edited_ids(ids, edits)
            cache = backbone.new_cache(self.cache.capacity)
            cache.write(self.original)
            cache.truncate(start)
            for at in range(start, len(kept), CHUNK):
                backbone.encode(kept[at : at + CHUNK], cache, 0)
            self.states[edits] = [states.clone() for layer in cache.editable for states in layer.filled()]
        return self.states[edits]


class Sequence:
    """One session; `jobs` are those that it gave to the worker."""

    def __init__(self, reference: Reference, jobs: list, seed: int) -> None:
        self.dice, self.reference, self.jobs = random.Random(seed), reference, jobs
        self.session = DocumentSession.load(reference.session.backbone, Document(TEXT, "a"))
        self.model, self.layers, self.depth = Model(), 0, 0
        self.log: list[str] = []
        self.session.backbone.lock._give_way = self.between

    def run(self, count: int) -> None:
        first = self.dice.choice(SPANS)
        (rounded,) = self.session.round_out([first])
        self.session.mark([first])
        self.model.erase(rounded.characters, [])
        for _ in range(count):
            self.one()
            self.check()

    def between(self, unwanted) -> float:
        """In the place of giving way: somebody else may do anything between two layers."""
        self.layers += 1
        if self.dice.random() < 0.15 and self.session._lock._thread is None:
            self.depth += 1
            self.log.append("{")
            self.one()
            self.log.append("}")
            self.depth -= 1
        if unwanted():
            raise Interrupted
        return 0.0

    def one(self) -> None:
        session, model, dice = self.session, self.model, self.dice
        span, method = dice.choice(SPANS), dice.choice(METHODS)
        waiting = [] if self.depth else ["exact", "exact", "cancel"]  # a thread cannot wait for itself
        steps = [] if self.depth else ["step"] * 12
        what = dice.choice(
            ["erase"] * 4 + ["replace", "replace", "mark", "undo", "undo", "redo", "redo", "restore", "restore_all"]
            + ["ask", "ask", "named"]
            + ["append"] * 3 + ["compare", "stop", "cache", "switch", *waiting, *steps]
        )  # fmt: skip
        replaced = any(one.new_text for one in session.spans)
        if (self.depth and method == REFERENCE) or (replaced and method == "mask"):  # which only erases
            method = "delete_shift"
        self.log.append(f"{what} {method} {span.start}")
        match what:
            case "erase" | "mark":
                (rounded,) = session.round_out([span])
                shown = session.spans
                if what == "erase":
                    session.erase([span], method)
                else:
                    session.mark([span])
                model.erase(rounded.characters, shown)
            case "replace":
                (rounded,) = session.round_out([span])
                if not any(set(ranges(rounded)) & set(ranges(one)) for one in session.spans if one.new_text):
                    text = dice.choice(["x", "nine gold bars, or ten", TEXT[:60]])
                    session.replace([span], text, dice.choice(["local_repair:5", "delete_shift"]))
                    left = [at for at in ranges(rounded) if (at, "") not in model.edited]
                    before = "".join(TEXT[at] for at in left if at < span.start)
                    after = "".join(TEXT[at] for at in left if at >= span.end)
                    model.replace(rounded.characters, before + text + after)
            case "undo":
                assert session.undo() == model.move(model.before, model.after)
            case "redo":
                assert session.redo() == model.move(model.after, model.before)
            case "restore":
                (rounded,) = session.round_out([span])
                touched = {
                    at
                    for erased in session.spans
                    if erased.characters.start < rounded.characters.end
                    and rounded.characters.start < erased.characters.end
                    for at in ranges(erased)
                }
                session.restore(span)
                model.change(frozenset(pair for pair in model.edited if pair[0] not in touched))
            case "restore_all":
                session.restore_all()
                model.change(frozenset())
            case "ask":
                self.answered(session.ask("Who?", sampling=SHORT))
            case "named":
                self.answered(session.ask("Who?", method, sampling=SHORT), method)
            case "exact":
                answer = session.ask("Who?", sampling=SHORT, exact=True)
                assert answer.exact
                self.answered(answer)
            case "cancel":
                with suppress(Cancelled):
                    session.make_exact(cancelled=lambda: dice.random() < 0.2)
            case "compare":
                names = ["delete_shift", "none" if replaced else "mask"] + ([] if self.depth else [REFERENCE])
                for answer in session.stream_compared("Who?", names, sampling=SHORT):
                    self.answered(answer, answer.method)
            case "stop":
                stream = session.stream("Who?", sampling=SHORT)
                next(stream)
                self.step()
                stream.close()
            case "cache":
                with session.cache() as cache:
                    assert list(cache.ids) == session.kept_ids
                    self.step()
            case "switch":
                session.exact_soon = dice.random() < 0.8
            case "append":
                role = dice.choice(list(APPENDED))
                if len(self.reference.appended) < 2 and not self.depth:
                    segment = session.append(APPENDED[role], role)
                    at = segment.characters
                    assert session.document.text[at.start : at.end] == APPENDED[role]
                    self.reference = self.reference.with_appended(role)
                elif self.reference.appended:
                    at = session.segments[-1].characters
                    shown = session.spans
                    session.erase([at], method)
                    model.erase(at, shown)
            case "step":
                self.step()

    def step(self) -> None:
        for _ in range(self.dice.randint(1, 6)):
            if self.depth == 0 and self.jobs and self.session._exact.step() == "done":
                self.jobs.clear()

    def answered(self, answer: Answer, method: str | None = None) -> None:
        edits = self.session._history.edits
        assert answer.exact == (not edits or answer.ran == REFERENCE)
        name = method or (REFERENCE if answer.exact else self.session.default_method)
        assert answer.token_ids == self.reference.answer(edits, name), self.log

    def check(self) -> None:
        session, edits = self.session, self.session._history.edits
        edited = {(at, span.new_text) for span in session.spans for at in ranges(span)}
        assert edited == self.model.edited, self.log
        if session._exact.ready(edits):
            filled = [states for layer in session._exact._cache.editable for states in layer.filled()]
            assert all(map(torch.equal, filled, self.reference.exact(edits))), self.log
            assert len(filled[0][0, 0]) == len(session.kept_ids)
        if session._active is None or session._active.edited.cache is not session._context.cache:
            now, original = session._context.cache.slots(0, session.tokens), self.reference.original
            assert all(map(torch.equal, now.keys + now.values, original.keys + original.values)), self.log
