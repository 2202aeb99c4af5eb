"""`bench`: from its arguments to results, report and plots."""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers.utils.logging import disable_progress_bar

from kveraser_core.benchmark.cells import measure
from kveraser_core.benchmark.grid import Plan, Results
from kveraser_core.benchmark.limits import Speeds
from kveraser_core.benchmark.machine import describe, keep_freed_memory, refuse_when_busy
from kveraser_core.benchmark.ours import FRESH, Ours
from kveraser_core.benchmark.peers import chosen_peers, load_peers
from kveraser_core.benchmark.plots import write_plots
from kveraser_core.benchmark.report import write_report
from kveraser_core.benchmark.shapes import random_ids, shaped
from kveraser_core.benchmark.speeds import measure_speeds
from kveraser_core.cli.output import warn
from kveraser_core.documents import load_document
from kveraser_core.errors import KVEraserError
from kveraser_core.evaluation.runner import usable_methods
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.packaged import MODEL_NAME
from kveraser_core.model.provenance import check_same, provenance

RESULTS = "results.jsonl"
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
_PREPARE_TOKENS = 2048
_CONVERT = "from kveraser_core.model.packaged import packaged_model; packaged_model()"


def run(options: argparse.Namespace) -> None:
    """Measure as `options` say; `results.jsonl`, `report.md` and the plots go to `options.out`."""
    if not options.even_if_busy:
        refuse_when_busy()
    disable_progress_bar()
    names = chosen_peers(options.peers)
    if options.shape and (options.model or options.eraser or options.conversion):
        raise KVEraserError(
            "A shape has a model and an eraser of its own: leave out --model, --eraser, --conversion."
        )
    if not options.shape and not options.text:
        raise KVEraserError("There is nothing to read: give --text FILE, or --shape NAME.")
    backbone = _backbone(options)
    warn(backbone.description)
    machine = provenance(backbone, seed=None) | describe(backbone.device, backbone.model.dtype)
    results = _results(Path(options.out), machine)
    if not results.find("load") and not options.shape:
        results.add(what="load", seconds=_load_seconds(options))
    if options.conversion and not results.find("conversion"):
        results.add(what="conversion", seconds=_conversion_seconds(backbone))
    methods = usable_methods(backbone, [name for name in options.methods if name != FRESH])
    ours = Ours(backbone, [*methods, FRESH] if {"all", FRESH} & set(options.methods) else methods)
    longest = max(options.lengths, default=0)
    read = backbone.tokenize(load_document(options.text).text)[0] if options.text else None
    document_ids = random_ids(backbone, longest) if read is None else read
    ids = [*ours.prompt.head_ids, *document_ids]
    lengths = options.peer_lengths or options.lengths
    readings = options.repeats if options.readings is None else options.readings
    plan = Plan(options.lengths, options.spans, options.positions, options.repeats, readings, options.budget, lengths)
    plan.check(len(ours.prompt.head_ids), len(document_ids))
    peers = load_peers(names, backbone)
    config = backbone.model.config

    def speeds() -> Speeds:
        sizes = config.hidden_size, config.intermediate_size
        measured = measure_speeds(backbone.device, backbone.model.dtype, *sizes)
        results.add(what="speeds", **measured._asdict())
        return measured

    tried = ids[: min(_PREPARE_TOKENS, max(plan.lengths))]
    about = [contender.prepare(tried) for contender in (ours, *peers)]
    results.add(what="programs", names=about)
    keep_freed_memory()
    measure(ours, peers, ids, plan, speeds, results, lambda line: print(line, file=sys.stderr, flush=True))
    out = Path(options.out)
    write_report(results.rows, shlex.join(["kveraser", *options.typed]), out)
    write_plots(results.rows, out)
    print(out / "report.md")


def _results(out: Path, machine: dict[str, Any]) -> Results:
    """The results in `out`, which must come from the same machine and model."""
    out.mkdir(parents=True, exist_ok=True)
    results = Results(out / RESULTS)
    if not results.rows:
        results.add(what="machine", **machine)
    (before,) = results.find("machine")
    check_same(out, before, machine)
    return results


def _backbone(options: argparse.Namespace) -> Backbone:
    dtype = DTYPES[options.dtype] if options.dtype else None
    if options.shape:
        return shaped(options.shape, options.device, dtype)
    return Backbone.load(options.model, options.eraser, options.device, dtype)


def _load_seconds(options: argparse.Namespace) -> float:
    """Loading the model and its eraser, its files in the system's cache by now."""
    started = time.perf_counter()
    _backbone(options)
    return time.perf_counter() - started


def _conversion_seconds(backbone: Backbone) -> float:
    """Converting the packaged model in a process of its own, with an empty cache folder."""
    if backbone.name != MODEL_NAME:
        raise KVEraserError("Only the packaged model is converted: leave out --conversion or --model.")
    with tempfile.TemporaryDirectory() as empty:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", _CONVERT], env={**os.environ, "XDG_CACHE_HOME": empty}, check=True)  # noqa: S603
        return time.perf_counter() - started
