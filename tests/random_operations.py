"""Random operations on sessions, from several threads, with erased slots that give NaN to whoever reads them."""

import copy
import random
import threading
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedTokenizerFast

from kveraser_core.documents import Document
from kveraser_core.documents.spans import Span
from kveraser_core.errors import KVEraserError
from kveraser_core.methods import METHODS
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Sampling
from kveraser_core.sessions.session import DocumentSession
from tests.poison import hidden_slots
from tests.tiny import TEXT

_METHODS = [*METHODS, "kveraser_repair:3", "local_repair:5", "kveraser", "forget", "mask:2"]
_SHORT = Sampling(max_tokens=3)


class PoisonedSession(DocumentSession):
    """A session in which the slots that the active edit hides hold NaN."""

    def _apply(self, *arguments, **options):
        before = self._active
        active = super()._apply(*arguments, **options)
        if active is not before:
            self._poison(active.edited)
        return active

    def _poison(self, edited) -> None:
        slots = torch.tensor(hidden_slots(self), dtype=torch.long)
        buffers = [buffer for layer in edited.cache.editable for buffer in layer.buffers()]
        originals = [buffer[:, :, slots].clone() for buffer in buffers]
        for buffer in buffers:
            buffer[:, :, slots] = torch.nan
        release = edited.release

        def cure() -> None:
            for buffer, original in zip(buffers, originals, strict=True):
                buffer[:, :, slots] = original
            release()

        edited.release = cure


@dataclass
class Tally:
    """What came of the operations."""

    done: int = 0
    refused: int = 0
    read_erased: int = 0
    faults: list[BaseException] = field(default_factory=list)


class Operations:
    """Two documents on one backbone, and what may be done to them."""

    def __init__(self, backbone: Backbone, attentions: list[str]) -> None:
        self.backbone, self.attentions = backbone, attentions
        self.sessions = [PoisonedSession.load(backbone, Document(text, "a")) for text in (TEXT, TEXT[::-1])]
        self.original = [self._states(session) for session in self.sessions]
        self.tally, self._counting = Tally(), threading.Lock()
        plain = backbone.logits

        def watched(hidden):
            logits = plain(hidden)
            self._watch(logits)
            return logits

        backbone.logits = watched

    def run(self, count: int, threads: int, seed: int, timeout_s: float) -> Tally:
        """Do `count` operations; threads that have not ended in time are left and counted as faults."""
        workers = [
            threading.Thread(target=self._work, args=(count // threads, random.Random(seed + number)), daemon=True)
            for number in range(threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(timeout_s)
            if worker.is_alive():
                self.tally.faults.append(TimeoutError("a thread hangs"))
        return self.tally

    def unchanged(self) -> bool:
        """Whether every document's states are the original ones, bit for bit, once everything is restored."""
        for session in self.sessions:
            session.restore_all()
        pairs = zip(self.sessions, self.original, strict=True)
        return all(map(torch.equal, self._states(session), states) for session, states in pairs)

    def _states(self, session):
        return [tensor.clone() for layer in session._context.cache.editable for tensor in layer.filled()]

    def _watch(self, logits) -> None:
        if not torch.isfinite(logits).all():
            with self._counting:
                self.tally.read_erased += 1

    def _work(self, count: int, dice: random.Random) -> None:
        open_streams = []
        for _ in range(count):
            refused = False
            try:
                self._one(dice, open_streams)
            except KVEraserError:
                refused = True
            except BaseException as error:
                self.tally.faults.append(error)
            with self._counting:
                self.tally.done += 1
                self.tally.refused += refused
        for stream in open_streams:
            stream.close()

    def _one(self, dice: random.Random, open_streams: list) -> None:
        session, method = dice.choice(self.sessions), dice.choice(_METHODS)
        start = dice.randrange(len(TEXT) - 1)
        span = Span(start, min(start + dice.choice([1, 7, 40, 200]), len(TEXT)))
        match dice.choice(
            ["erase"] * 3 + ["replace"] * 3 + ["mark", "undo", "undo", "redo", "restore", "restore_all"]
            + ["ask"] * 3 + ["compare", "cache", "cache", "copy", "stream", "close", "attention"]
        ):  # fmt: skip
            case "erase":
                session.erase([span], method if dice.random() < 0.7 else None)
            case "replace":
                text = " and so on" * dice.choice([1, 3, 20])
                session.replace([span], text, method if dice.random() < 0.7 else None)
            case "mark":
                session.mark([span], dice.choice(["", "Pilots wait."]))
            case "undo":
                session.undo()
            case "redo":
                session.redo()
            case "restore":
                session.restore(span)
            case "restore_all":
                session.restore_all()
            case "ask":
                session.ask("What is the toll?", method, sampling=_SHORT)
            case "compare":
                for _ in session.stream_compared("Who?", dice.sample(_METHODS, 2), sampling=_SHORT):
                    if dice.random() < 0.2:
                        break
            case "cache":
                with session.cache(dice.choice([method, None])) as cache:
                    self._generate(session, cache)
            case "copy":
                with session.cache() as cache:
                    copied = copy.deepcopy(cache)
                self._generate(session, copied)
                self._generate(session, cache)
            case "stream":
                stream = session.stream("What is the toll?", method, sampling=_SHORT)
                open_streams.append(stream)
                next(stream)
            case "close":
                while open_streams:
                    open_streams.pop().close()
            case "attention":
                self.backbone.model.set_attn_implementation(dice.choice(self.attentions))

    def _generate(self, session, cache) -> None:
        ids = torch.tensor([[*cache.ids, *session.question_ids("Who?")]])
        out = session.backbone.model.generate(
            ids, past_key_values=cache, max_new_tokens=2, do_sample=False,
            return_dict_in_generate=True, output_logits=True,
        )  # fmt: skip
        for logits in out.logits:
            self._watch(logits)


def tiny_backbone(model, tokenizer: PreTrainedTokenizerFast, adapter) -> Backbone:
    """A backbone whose eraser looks ahead, so that most slots of a span are hidden."""
    (adapter / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 4}')
    backbone = Backbone(model, tokenizer, "tiny")
    backbone.load_eraser(adapter)
    return backbone
