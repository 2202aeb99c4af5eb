"""Random changes and questions of a session while its exact cache is made, at any layer of any chunk."""

import random
from contextlib import suppress
from dataclasses import dataclass, field

import torch

from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span
from kveraser_core.methods import REFERENCE
from kveraser_core.methods.plan import kept_ids
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Cancelled, Sampling
from kveraser_core.model.model_lock import Interrupted
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.session import DocumentSession
from tests.conftest import TEXT

CHUNK = 16
SHORT = Sampling(max_tokens=2)
METHODS = ["none", "mask", "delete_shift", "local_repair:5", "erratum", REFERENCE]
SPANS = [Span(*pair) for pair in ((0, 30), (40, 60), (55, 90), (120, 124), (130, 240), (250, 251), (280, len(TEXT)))]


APPENDED = {"user": "May boats enter at night?", "assistant": "They may.", "tool": "tide: 2 m", "document": TEXT[:40]}


@dataclass
class Model:
    """What is to be erased, by a model of its own: characters, not slots."""

    erased: frozenset[int] = frozenset()
    before: list[frozenset[int]] = field(default_factory=list)
    after: list[frozenset[int]] = field(default_factory=list)

    def change(self, erased: frozenset[int]) -> None:
        if erased != self.erased:
            self.before.append(self.erased)
            self.after.clear()
            self.erased = erased

    def move(self, source: list[frozenset[int]], target: list[frozenset[int]]) -> bool:
        if source:
            target.append(self.erased)
            self.erased = source.pop()
            return True
        return False


class Reference:
    """Answers and exact states from a context that nothing is left in from the last time, with `appended` texts."""

    def __init__(self, backbone: Backbone, appended: tuple[str, ...] = ()) -> None:
        self.appended, self.longer = appended, dict[str, Reference]()
        self.session = DocumentSession.load(backbone, Document(TEXT, "a"), exact_soon=False)
        for role in appended:
            self.session.append(APPENDED[role], role)
        self.cache = self.session._context.cache
        self.original = self.cache.slots(0, self.cache.length)
        self.answers: dict[tuple[tuple[Span, ...], str], tuple[int, ...]] = {}
        self.states: dict[tuple[Span, ...], list[torch.Tensor]] = {}

    def with_appended(self, role: str) -> "Reference":
        if role not in self.longer:
            self.longer[role] = Reference(self.session.backbone, (*self.appended, role))
        return self.longer[role]

    def answer(self, slots: tuple[Span, ...], method: str) -> tuple[int, ...]:
        if (slots, method) not in self.answers:
            self.session.restore_all()
            self.cache.write(self.original)
            self.session._history.change(slots)
            self.answers[slots, method] = self.session.ask("Who?", method, sampling=SHORT).token_ids
        return self.answers[slots, method]

    def exact(self, slots: tuple[Span, ...]) -> list[torch.Tensor]:
        """The states of all that is not erased: the prefix as it was, the rest prefilled after it."""
        if slots not in self.states:
            backbone, ids = self.session.backbone, self.session._context.ids
            start, kept = slots[0].start if slots else len(ids), kept_ids(ids, slots)
            cache = backbone.new_cache(self.cache.capacity)
            cache.write(self.original)
            cache.truncate(start)
            for at in range(start, len(kept), CHUNK):
                backbone.encode(kept[at : at + CHUNK], cache, 0)
            self.states[slots] = [states.clone() for layer in cache.editable for states in layer.filled()]
        return self.states[slots]


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
        self.model.change(frozenset(range(rounded.characters.start, rounded.characters.end)))
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
            ["erase"] * 4 + ["mark", "undo", "undo", "redo", "redo", "restore", "restore_all", "ask", "ask", "named"]
            + ["append"] * 3 + ["compare", "stop", "cache", "switch", *waiting, *steps]
        )  # fmt: skip
        if self.depth and method == REFERENCE:
            method = "mask"
        self.log.append(f"{what} {method} {span.start}")
        match what:
            case "erase" | "mark":
                (rounded,) = session.round_out([span])
                if what == "erase":
                    session.erase([span], method)
                else:
                    session.mark([span])
                model.change(model.erased | set(range(rounded.characters.start, rounded.characters.end)))
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
                    for at in range(erased.characters.start, erased.characters.end)
                }
                session.restore(span)
                model.change(model.erased - touched)
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
                names = ["delete_shift", "mask"] + ([] if self.depth else [REFERENCE])
                for answer in session.compare("Who?", names, sampling=SHORT):
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
                    session.erase([at], method)
                    model.change(model.erased | set(range(at.start, at.end)))
            case "step":
                self.step()

    def step(self) -> None:
        for _ in range(self.dice.randint(1, 6)):
            if self.depth == 0 and self.jobs and self.session._exact.step() == "done":
                self.jobs.clear()

    def answered(self, answer: Answer, method: str | None = None) -> None:
        slots = self.session._history.spans
        assert answer.exact == (not slots or answer.ran == REFERENCE)
        name = method or (REFERENCE if answer.exact else self.session.default_method)
        assert answer.token_ids == self.reference.answer(slots, name), self.log

    def check(self) -> None:
        session, slots = self.session, self.session._history.spans
        erased = {at for span in session.spans for at in range(span.characters.start, span.characters.end)}
        assert erased == self.model.erased, self.log
        if session._exact.ready(slots):
            filled = [states for layer in session._exact._cache.editable for states in layer.filled()]
            assert all(map(torch.equal, filled, self.reference.exact(slots))), self.log
            assert len(filled[0][0, 0]) == len(session.kept_ids)
        if session._active is None or session._active.edited.cache is not session._context.cache:
            now, original = session._context.cache.slots(0, session.tokens), self.reference.original
            assert all(map(torch.equal, now.keys + now.values, original.keys + original.values)), self.log
