"""`bench`: the time and memory of erasing and answering, methods interleaved in one process.

Each repeat erases the same span with every method from the same context and asks the same question; what
is reported is the median over the repeats. Decoding is timed beside the same loop over transformers'
`DynamicCache`, with plain transformers and with our model, and peak memory is what erase and ask with
`kveraser` add to the process's peak after prefill, once warm.
"""

import argparse
import json
import platform
import resource
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel
from transformers.cache_utils import Cache
from transformers.utils.logging import disable_progress_bar

from kveraser_core.backbone import Backbone
from kveraser_core.context import Context, read_context
from kveraser_core.documents import load_document
from kveraser_core.erasers import METHODS, get_method
from kveraser_core.errors import KVEraserError
from kveraser_core.generation import Generated, Sampling, generate
from kveraser_core.kv_cache import synchronize
from kveraser_core.spans import Span

QUESTION = "What does the document say at its beginning?"
_DECODED = 64


def run(options: argparse.Namespace) -> None:
    """Measure as `options` say; `results.jsonl` and `report.md` go to `options.out`."""
    disable_progress_bar()
    backbone = Backbone.load(options.model, options.eraser, options.device)
    plain = AutoModelForCausalLM.from_pretrained(
        backbone.model.config._name_or_path, dtype=backbone.model.dtype, device_map={"": backbone.device}
    )
    ids = backbone.tokenize(load_document(options.text).text)[0]
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    _warm_up(backbone, ids)
    for tokens in options.lengths:
        if len(ids) < tokens:
            raise KVEraserError(f"{options.text} has {len(ids):,} tokens, {tokens:,} are needed: give a longer text.")
        context = read_context(backbone, ids[:tokens])
        start = context.document_start + tokens // 20
        span = Span(start, start + options.span)
        rows.append(_memory(context, span))
        rows += _methods(context, span, options.repeats)
        rows.append(_decoding(context, plain, options.repeats))
        print(f"{tokens:,} tokens measured", file=sys.stderr)
    (out / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (out / "report.md").write_text(_report(rows, options.repeats, options.span))
    print(out / "report.md")


def _usable(backbone: Backbone) -> list[str]:
    return [name for name in METHODS if backbone.eraser or not name.startswith("kveraser")]


def _ask(context: Context, name: str, span: Span, tokens: int = 1) -> tuple[float, Generated]:
    """Seconds to erase, and the answer of `tokens` tokens; everything is given back."""
    started = time.perf_counter()
    erased = get_method(name).erase(context, [span])
    synchronize(context.backbone.device)
    erase_s = time.perf_counter() - started
    prompt = context.prompt.question_ids(QUESTION)
    *_, generated = generate(context.backbone, erased.cache, prompt, Sampling(max_tokens=tokens))
    assert isinstance(generated, Generated)
    erased.release()
    return erase_s, generated


def _methods(context: Context, span: Span, repeats: int) -> list[dict[str, Any]]:
    names = _usable(context.backbone)
    for name in names:
        _ask(context, name, span)
    measured: dict[str, list[tuple[float, Generated]]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            measured[name].append(_ask(context, name, span))
    rows = []
    for name, results in measured.items():
        erase = [erase_s for erase_s, _ in results]
        first = [erase_s + made.question_prefill_s + made.first_token_s for erase_s, made in results]
        rows.append(
            {
                "what": "method",
                "tokens": len(context.ids),
                "method": name,
                **_spread("erase_s", erase),
                **_spread("ttft_s", first),
            }
        )
    return rows


def _decoding(context: Context, plain: PreTrainedModel, repeats: int) -> dict[str, Any]:
    """Seconds a token behind the context: ours, our model over a `DynamicCache`, and plain transformers."""
    ours, length = context.backbone.model, len(context.ids)
    dynamic = DynamicCache()
    for index, layer in enumerate(context.cache.editable):
        keys, values = layer.filled()
        dynamic.update(keys.clone(), values.clone(), index)

    def editable() -> float:
        with context.cache.appending():
            return _decode(ours, context.cache, length)

    def over_dynamic(model: PreTrainedModel) -> float:
        seconds = _decode(model, dynamic, length)
        dynamic.crop(-_DECODED)
        return seconds

    loops = {"ours_s": editable, "dynamic_s": lambda: over_dynamic(ours), "plain_s": lambda: over_dynamic(plain)}
    for loop in loops.values():
        loop()
    measured: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(repeats):
        for name, loop in loops.items():
            measured[name].append(loop())
    row: dict[str, Any] = {"what": "decode", "tokens": length}
    for name, seconds in measured.items():
        row |= _spread(name, seconds)
        row |= _spread(f"{name}_ratio", [other / own for own, other in zip(measured["ours_s"], seconds, strict=True)])
    return row


@torch.inference_mode()
def _decode(model: PreTrainedModel, cache: Cache, length: int) -> float:
    device = model.device
    token = torch.tensor([[1]], device=device)
    started = time.perf_counter()
    for step in range(_DECODED):
        position = torch.tensor([[length + step]], device=device)
        logits = model(input_ids=token, position_ids=position, past_key_values=cache, use_cache=True).logits
        token = logits[:, -1].argmax(-1, keepdim=True)
    synchronize(device)
    return (time.perf_counter() - started) / _DECODED


def _warm_up(backbone: Backbone, ids: list[int]) -> None:
    """One erase and answer on a short context, so that kernels are compiled before memory is measured."""
    context = read_context(backbone, ids[:300])
    for name in _usable(backbone):
        _ask(context, name, Span(50, 150), 2)


def _memory(context: Context, span: Span) -> dict[str, Any]:
    """Bytes by which erase and ask with `kveraser` raise the process's peak above that of prefill."""
    before = _peak_bytes(context)
    if context.backbone.eraser:
        _ask(context, "kveraser", span, 32)
    cache = context.cache.used_bytes
    grown = _peak_bytes(context) - before
    return {"what": "memory", "tokens": len(context.ids), "context_bytes": cache, "peak_growth_bytes": grown}


def _peak_bytes(context: Context) -> int:
    if context.backbone.device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _spread(name: str, values: list[float]) -> dict[str, float]:
    return {name: median(values), f"{name}_min": min(values), f"{name}_max": max(values)}


def _report(rows: list[dict[str, Any]], repeats: int, span: int) -> str:
    lines = [
        "# Benchmark",
        "",
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}; span of {span} tokens "
        f"near the start; medians of {repeats} interleaved repeats, minimum to maximum in brackets.",
        "",
    ]
    for tokens in dict.fromkeys(row["tokens"] for row in rows):
        own = [row for row in rows if row["tokens"] == tokens]
        full = next(row["ttft_s"] for row in own if row.get("method") == "full_recompute")
        lines += [
            f"## {tokens:,} tokens",
            "",
            "| method | erase s | first token s | times faster |",
            "| --- | --- | --- | --- |",
        ]
        lines += [
            f"| {row['method']} | {_cell(row, 'erase_s')} | {_cell(row, 'ttft_s')} | {full / row['ttft_s']:.1f} |"
            for row in own
            if row["what"] == "method"
        ]
        decode = next(row for row in own if row["what"] == "decode")
        memory = next(row for row in own if row["what"] == "memory")
        lines += [
            "",
            f"Decoding {_DECODED} tokens: {1000 * decode['ours_s']:.1f} ms a token. Plain transformers with its "
            f"DynamicCache takes {1000 * decode['plain_s']:.1f} ms, {_cell(decode, 'plain_s_ratio')} times as long; "
            f"our model over a DynamicCache {1000 * decode['dynamic_s']:.1f} ms, "
            f"{_cell(decode, 'dynamic_s_ratio')}.",
            "",
            "Peak memory of erase and ask with kveraser above prefill's: "
            f"{memory['peak_growth_bytes'] / 2**20:.1f} MB, "
            f"{memory['peak_growth_bytes'] / memory['context_bytes']:.1%} of the context cache "
            f"({memory['context_bytes'] / 2**20:.1f} MB).",
            "",
        ]
    return "\n".join(lines)


def _cell(row: dict[str, Any], name: str) -> str:
    return f"{row[name]:.3f} ({row[name + '_min']:.3f} to {row[name + '_max']:.3f})"
