"""Fits the weights by which `kveraser_repair` chooses the tokens that it recomputes.

All but one by least squares to how far keys and values really are from those of full recompute, and none below 0.
The weight of a sentence that says the span again is chosen by answers: its tokens are no staler than others, but a
question about the span attends to all of them.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kveraser_core.documents.spans import Span
from kveraser_core.errors import KVEraserError
from kveraser_core.methods import METHODS, REFERENCE, get_method, make_plan
from kveraser_core.methods.apply import apply
from kveraser_core.methods.edits import Edit
from kveraser_core.methods.staleness import WEIGHTS, signs
from kveraser_core.model.adapter_files import SELECTOR
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Generated, Sampling, agreement, answer_logits, generate
from kveraser_core.sessions.context import Context, read_context
from kveraser_core.tasks.examples import Example
from kveraser_core.training.mixture import Mixture

BY_ANSWERS = "sentence said again"
TRIED = (0.0, 0.15, 0.3, 0.6, 1.2)
_SHORTEST_SUFFIX = 64
_NOISE = 1e-3
"""The KL of full recompute from itself in bf16: by the logarithm of KL and this every example counts alike."""
Report = Callable[[int, int], None]


class NoLookahead(KVEraserError):
    """There is no eraser that the selector could be fitted for."""


def fit_selector(
    backbone: Backbone,
    mixture: Mixture,
    states: int,
    answers: int,
    seed: int,
    report: Report = lambda done, total: None,
) -> dict[str, Any]:
    """Weights for the eraser of `backbone`, and what they were fitted on.

    `states` examples are for least squares, `answers` others for the weight that is chosen by answers. `report` gets
    the examples done and their total. Raises `NoLookahead`.
    """
    eraser = backbone.eraser
    if eraser is None or eraser.method != METHODS["kveraser_repair"].eraser:
        raise NoLookahead("The selector is fitted for an eraser of kveraser_lookahead: give one with --eraser.")
    examples, total = _examples(mixture, seed), states + answers
    names = [name for name in WEIGHTS if name != BY_ANSWERS]
    rows, targets = [], []
    for number in range(states):
        example = next(examples)
        context = read_context(backbone, example.ids)
        (span,) = [span.shifted(context.document_start) for span in example.spans]
        found = signs(torch.tensor(context.ids), span, backbone.breaks)
        rows.append(torch.stack([found[name] for name in names], dim=1))
        targets.append(_distances(backbone, context, span))
        report(number + 1, total)
    features, target = torch.cat(rows).double(), torch.cat(targets).double()
    fitted = not_negative(features, target)
    weights = dict(zip(names, fitted.tolist(), strict=True))
    scale = sum(weights.values()) / sum(WEIGHTS[name] for name in names)
    losses = [0.0] * len(TRIED)
    for number in range(answers):
        example = next(examples)
        context = read_context(backbone, example.ids)
        edits = example.edits(context.document_start)
        prompts = [context.prompt.question_ids(question.text) for question in example.questions[:2]]
        expected = [(prompt, *_reference(backbone, context, edits, prompt)) for prompt in prompts]
        for place, tried in enumerate(TRIED):
            eraser.selector = weights | {BY_ANSWERS: tried * scale}
            losses[place] += _loss(backbone, context, edits, expected) / answers
        report(states + number + 1, total)
    best = losses.index(min(losses)) if answers else TRIED.index(WEIGHTS[BY_ANSWERS])
    eraser.selector = weights | {BY_ANSWERS: TRIED[best] * scale}
    left = target - features @ fitted
    return {
        "weights": {name: round(eraser.selector[name], 4) for name in WEIGHTS},
        "fitted_on": {
            "model": backbone.name,
            "files": mixture.corpus.files,
            "seed": seed,
            "examples": states,
            "tokens": len(target),
            "explained": round(1 - (left.square().sum() / (target - target.mean()).square().sum()).item(), 3),
            "examples_by_answers": answers,
            "losses_by_answers": dict(zip(map(str, TRIED), (round(loss, 4) for loss in losses), strict=True)),
        },
    }


def save_selector(selector: dict[str, Any], folder: Path) -> None:
    """Write what `fit_selector` gave beside the eraser in `folder`."""
    (folder / SELECTOR).write_text(json.dumps(selector, indent=2, ensure_ascii=False) + "\n")


def not_negative(features: Tensor, target: Tensor) -> Tensor:
    """The weights, none below 0, with which `features`, `[n, f]`, come near `target`, `[n]`: `[f]`.

    Least squares, again and again without the weights that came out negative.
    """
    used = torch.ones(features.shape[1], dtype=torch.bool)
    weights = torch.zeros(features.shape[1], dtype=features.dtype)
    while used.any():
        gram = features[:, used].T @ features[:, used]
        gram.diagonal().add_(1e-6 * len(features))  # a sign that never occurs gets no weight
        solved = torch.linalg.solve(gram, features[:, used].T @ target)
        weights.zero_()
        weights[used] = solved
        if (solved >= 0).all():
            break
        used &= weights > 0
    return weights.clamp(min=0)


def _examples(mixture: Mixture, seed: int) -> Iterator[Example]:
    """Examples with one span and a suffix that is not recomputed as a whole."""
    rng = random.Random(f"selector/{seed}")  # noqa: S311
    while True:
        example = mixture.example(rng)
        if len(example.spans) == 1 and len(example.ids) - example.spans[0].end >= _SHORTEST_SUFFIX:
            yield example


def _distances(backbone: Backbone, context: Context, span: Span) -> Tensor:
    """How far the suffix's keys and values are from full recompute's, as a share of their length: `[suffix]`."""
    stale = context.cache.slots(span.end, len(context.ids))
    edited = apply(make_plan(METHODS[REFERENCE], context.ids, [Edit(span)], backbone), context.cache, backbone)
    exact = context.cache.slots(span.start, context.cache.length)
    edited.release()
    shares = []
    for number, (keys, values) in enumerate(zip(stale.keys, stale.values, strict=True)):
        moved = context.cache.rotation.shift(keys, number, -len(span))
        shares += [_share(moved, exact.keys[number]), _share(values, exact.values[number])]
    return torch.stack(shares).mean(0).cpu()


def _share(states: Tensor, exact: Tensor) -> Tensor:
    """The length of the difference as a share of that of `exact`, both `[1, kv_heads, n, head_dim]`: `[n]`."""
    rows, right = (part[0].transpose(0, 1).flatten(1).float() for part in (states, exact))
    return (rows - right).norm(dim=-1) / right.norm(dim=-1)


def _loss(
    backbone: Backbone,
    context: Context,
    edits: Sequence[Edit],
    expected: Sequence[tuple[list[int], list[int], Tensor]],
) -> float:
    """The mean logarithm of KL of `kveraser_repair` from full recompute.

    `expected` are questions, each with full recompute's own answer and the logits along it.
    """
    plan = make_plan(get_method("kveraser_repair"), context.ids, edits, backbone)
    edited = apply(plan, context.cache, backbone)
    losses = [
        agreement(logits, answer_logits(backbone, context.cache, prompt, ids))[1] for prompt, ids, logits in expected
    ]
    edited.release()
    return float((torch.tensor(losses).clamp(min=0) + _NOISE).log().mean())


def _reference(
    backbone: Backbone, context: Context, edits: Sequence[Edit], prompt: Sequence[int]
) -> tuple[list[int], Tensor]:
    """The greedy answer of full recompute, and the logits along it."""
    edited = apply(make_plan(METHODS[REFERENCE], context.ids, edits, backbone), context.cache, backbone)
    *_, answer = generate(backbone, context.cache, prompt, Sampling(max_tokens=10))
    assert isinstance(answer, Generated)
    logits = answer_logits(backbone, context.cache, prompt, answer.token_ids)
    edited.release()
    return answer.token_ids, logits
