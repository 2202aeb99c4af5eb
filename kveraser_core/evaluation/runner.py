"""Every method on every example: one line of results each, resumable.

The reference of an example is full recompute; its own greedy answer is the one along which the other
methods' distributions are compared. `noise_floor` is full recompute prefilled in other chunks, by transformers'
own modules: where the backbone's passes sum in the same order whatever the chunks, they alone would say 0.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from kveraser_core.cache.editable_cache import synchronize
from kveraser_core.evaluation.metrics import contains, f1
from kveraser_core.methods import REFERENCE, get_method, make_plan, ordered, usable
from kveraser_core.methods.apply import EditedCache, apply
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Generated, Sampling, agreement, answer_logits, generate
from kveraser_core.model.provenance import check_same, provenance
from kveraser_core.sessions.context import Context, read_context
from kveraser_core.tasks.corpus import Corpus
from kveraser_core.tasks.document_qa import QuestionFile
from kveraser_core.tasks.examples import Example
from kveraser_core.tasks.held_out import held_out

NOISE_FLOOR = "noise_floor"
RESULTS = "results.jsonl"
_OTHER_CHUNK = 200


@dataclass(frozen=True)
class Result:
    """What one method made of one example. Times in seconds, `kl` in nats a token of the reference's answer."""

    task: str
    tokens: int
    number: int
    method: str
    context_tokens: int
    span_tokens: int
    question: str
    gold: str
    answer: str
    correct: bool
    reference_correct: bool
    f1: float
    leak: bool | None
    top1: float
    kl: float
    erase_s: float
    ttft_s: float
    extra_bytes: int


@dataclass(frozen=True)
class Plan:
    """What is measured: `count` examples for each task and each length in `lengths` (document tokens)."""

    tasks: Sequence[str]
    methods: Sequence[str]
    lengths: Sequence[int]
    count: int
    seed: int = 0
    max_tokens: int = 24


def evaluate(
    backbone: Backbone,
    corpus: Corpus,
    question_file: QuestionFile | None,
    plan: Plan,
    out: Path,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Measure `plan` and append to `results.jsonl` in `out`; examples that are there already are skipped.

    `report` gets the examples done and their total. Raises `OtherResults` where `out` holds those of another run.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, origin = out / RESULTS, provenance(backbone, plan.seed)
    before = read_results(path)
    for row in before:
        check_same(out, row, origin)
    done = {(row["task"], row["tokens"], row["number"]) for row in before}
    wanted = [
        (task, tokens, number) for number in range(plan.count) for tokens in plan.lengths for task in plan.tasks
    ]
    for place, key in enumerate(wanted):
        if key not in done:
            task, tokens, number = key
            example = held_out(task, corpus, question_file, tokens, number, plan.seed)
            rows = [asdict(result) | origin for result in _measure(backbone, example, plan, tokens, number)]
            with path.open("a") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        report(place + 1, len(wanted))


def read_results(path: Path) -> list[dict[str, Any]]:
    """The rows of a results file; none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _measure(backbone: Backbone, example: Example, plan: Plan, tokens: int, number: int) -> Iterator[Result]:
    context = read_context(backbone, example.ids)
    edits = example.edits(context.document_start)
    (question,) = example.questions
    prompt = context.prompt.question_ids(question.text)
    accept = question.accept or question.answer
    reference_ids: list[int] = []
    reference = None
    right = False
    for name in [REFERENCE, NOISE_FLOOR, *(name for name in plan.methods if name != REFERENCE)]:
        started = time.perf_counter()
        if name == NOISE_FLOOR:
            edited = _by_transformers(context, example)
        else:
            edit = make_plan(get_method(name), context.ids, edits, backbone)
            edited = apply(edit, context.cache, backbone)
        synchronize(backbone.device)
        erase_s = time.perf_counter() - started
        *_, answer = generate(backbone, edited.cache, prompt, Sampling(max_tokens=plan.max_tokens))
        assert isinstance(answer, Generated)
        if reference is None:
            reference_ids = answer.token_ids
            reference = answer_logits(backbone, edited.cache, prompt, reference_ids)
            right = contains(answer.text, accept)
        top1, kl = agreement(reference, answer_logits(backbone, edited.cache, prompt, reference_ids))
        yield Result(
            task=example.task,
            tokens=tokens,
            number=number,
            method=name,
            context_tokens=len(context.ids),
            span_tokens=sum(map(len, example.spans)),
            question=question.text,
            gold=question.answer,
            answer=answer.text,
            correct=contains(answer.text, accept),
            reference_correct=right,
            f1=f1(answer.text, question.answer),
            leak=contains(answer.text, question.forbidden) if question.forbidden else None,
            top1=top1,
            kl=kl,
            erase_s=erase_s,
            ttft_s=erase_s + answer.question_prefill_s + answer.first_token_s,
            extra_bytes=edited.extra_bytes,
        )
        edited.release()


@torch.inference_mode()
def _by_transformers(context: Context, example: Example) -> EditedCache:
    cache = context.cache.another(context.cache.capacity)
    decoder = context.backbone.model.get_decoder()
    ids = torch.tensor([[*context.prompt.head_ids, *example.kept_ids]], device=context.backbone.device)
    for chunk in ids.split(_OTHER_CHUNK, dim=1):
        decoder(input_ids=chunk, past_key_values=cache, use_cache=True)
    return EditedCache(cache, NOISE_FLOOR, cache.used_bytes)


def usable_methods(backbone: Backbone, names: Sequence[str]) -> list[str]:
    """`names` in the registry's order, for `all` every method that there is an eraser for.

    Raises `UnknownMethod`, and `MissingEraser` where one that was named cannot be used.
    """
    chosen = ordered([*(usable(backbone) if "all" in names else ()), *(name for name in names if name != "all")])
    for name in chosen:
        get_method(name).check_eraser(backbone)
    return chosen
