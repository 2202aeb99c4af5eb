"""What a GPU has to show: `make gpu-check`, or `python -m tests.gpu_check --out DIR`. It takes at most 8 minutes.

The torch engine there against the CPU's, every method on tiny models and on the packaged one, what a decoded token
allocates, and latency, memory and growth of a model of eight billion weights. One report says it all. Without a GPU
it says so, and that is no failure.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from kveraser_core.benchmark.grid import Results
from kveraser_core.benchmark.report import write_report
from kveraser_core.benchmark.shapes import SHAPES
from kveraser_core.cli.bench import RESULTS

_SHAPES = ("qwen3-8b", "qwen3-1.7b", "qwen3-0.6b")
_LENGTHS = "1024,2048,4096,8192,16384,32768"
_METHODS = "none,delete_shift,local_repair,kveraser_lookahead,kveraser_repair,full_recompute"
_TESTS = ["tests/test_device.py", "tests/test_decoding_cost.py"]
_TESTS_S, _BENCH_S = 160, 310


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and report; 0 where all went well, or where there is nothing to check."""
    parser = argparse.ArgumentParser(prog="gpu-check", description="Check and measure KVEraser on a GPU.")
    parser.add_argument("--out", default="gpu-check", metavar="DIR")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", choices=SHAPES, help="default: the largest of some that fits")
    parser.add_argument("--lengths", default=_LENGTHS, metavar="N,N")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("There is no GPU here: nothing was checked.")
        return 0
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    shape = options.shape or fitting_shape()
    bench = ["-m", "kveraser_core", "bench", "--shape", shape, "--device", options.device, "--even-if-busy"]
    bench += ["--lengths", options.lengths, "--methods", _METHODS, "--peers", "none", "--repeats", "7"]
    bench += ["--readings", "1", "--budget", "3", "--out", str(out / f"bench-{shape}")]
    tests = ["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *_TESTS]
    lines = ["# GPU check", "", f"- {_device(options.device)}, torch {torch.__version__}."]
    went_well = True
    for name, command, limit in (("Tests", tests, _TESTS_S), ("Benchmark", bench, _BENCH_S)):
        well, section = _run(name, command, limit, options.device)
        lines += section
        went_well &= well
    measured = out / f"bench-{shape}"
    if rows := Results(measured / RESULTS).rows:  # also where it was stopped
        write_report(rows, " ".join(["python", *bench]), measured)
        lines += ["", (measured / "report.md").read_text()]
    (out / "report.md").write_text("\n".join(lines) + "\n")
    print(out / "report.md")
    return 0 if went_well else 1


def fitting_shape() -> str:
    """The largest shape whose weights take at most two thirds of the GPU's free memory in bf16."""
    free, _ = torch.cuda.mem_get_info()
    for name in _SHAPES:
        sizes = SHAPES[name]
        width, dim = sizes["hidden_size"], sizes["head_dim"]
        heads = sizes["num_attention_heads"] + sizes["num_key_value_heads"]
        layer = 2 * width * dim * heads + 3 * width * sizes["intermediate_size"]
        weights = sizes["num_hidden_layers"] * layer + 2 * sizes["vocab_size"] * width
        if 2 * weights * 1.5 < free:
            return name
    return _SHAPES[-1]


def _run(name: str, command: list[str], limit: int, device: str) -> tuple[bool, list[str]]:
    """Whether `command` went well within `limit` seconds, and what the report says of it."""
    environment = {**os.environ, "KVERASER_TEST_DEVICE": device, "HF_HUB_OFFLINE": "1"}
    started = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit,
            check=False,
        )
        output, result = done.stdout, "went well" if done.returncode == 0 else f"failed with {done.returncode}"
    except subprocess.TimeoutExpired as error:
        output, result = error.stdout or b"", f"was stopped after {limit} s"
    tail = output.decode(errors="replace").splitlines()[-60:]
    print(f"{name}: {result}")
    took = time.perf_counter() - started
    command_line = " ".join(["python", *command])
    section = ["", f"## {name}", "", f"`{command_line}` {result}; it took {took:.0f} s.", "", "```text", *tail, "```"]
    return result == "went well", section


def _device(name: str) -> str:
    if name != "cuda":
        return name
    properties = torch.cuda.get_device_properties(0)
    return f"{properties.name}, {properties.total_memory / 2**30:.0f} GB, CUDA {torch.version.cuda}"


if __name__ == "__main__":
    sys.exit(main())
