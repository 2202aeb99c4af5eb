"""The options of the commands that measure."""

import argparse

from kveraser_core.cli.options import articles_option, model_options, names, numbers


def bench_options(command: argparse.ArgumentParser) -> None:
    """What `bench` measures."""
    add = command.add_argument
    model_options(command)
    add("--eraser", metavar="PATH", help="a PEFT LoRA adapter, folder or hub id; default: the shipped one")
    add(
        "--shape",
        metavar="NAME",
        help="a model of this shape with random weights, as qwen3-8b; then no text is needed",
    )
    add("--dtype", choices=("bf16", "fp16", "fp32"), help="of the weights; default: what the device is fast in")
    add("--text", metavar="FILE", help="a text of at least the greatest length")
    add(
        "--lengths",
        type=numbers,
        default=[1024, 4096, 8192],
        metavar="N,N",
        help="context tokens, prompt included (default 1024,4096,8192)",
    )
    add("--methods", type=names, default=["all"], metavar="A,B", help="default all, and fresh_prefill")
    add(
        "--peers",
        type=names,
        default=["transformers"],
        metavar="A,B",
        help="transformers (default), llama.cpp, llama.cpp_no_flash, llama.cpp_shift, llama.cpp_fastest, all or "
        "none; `make bench-peers` installs llama.cpp",
    )
    add("--peer-lengths", type=numbers, metavar="N,N", help="the lengths at which peers take part (default all)")
    add("--spans", type=numbers, default=[100], metavar="N,N", help="tokens erased (default 100)")
    add("--positions", type=names, default=["start"], metavar="A,B", help="start (default), middle, end")
    add("--repeats", type=int, default=7, metavar="N", help="times that each member of a cell runs (default 7)")
    add("--readings", type=int, metavar="N", help="times that each context is read (default as --repeats)")
    add(
        "--budget",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="a member of a cell that has run this long there is not repeated again (default 60); "
        "its n is printed with its figures",
    )
    add("--conversion", action="store_true", help="measure the conversion of the packaged model as well")
    add("--even-if-busy", action="store_true", help="measure even where other processes use the processor")
    add("--out", required=True, metavar="DIR", help="where results, report and plots go; a stopped run goes on")


def evaluation_options(command: argparse.ArgumentParser) -> None:
    """What `evaluate` measures."""
    add = command.add_argument
    model_options(command)
    add("--eraser", metavar="PATH", help="a PEFT LoRA adapter, folder or hub id; default: the shipped one")
    add("--corpus", nargs="+", required=True, metavar="PATH", help="folders or files of held-out text")
    add("--qa", metavar="FILE", help="questions in SQuAD v1.1 format")
    articles_option(command)
    add("--methods", type=names, default=["all"], metavar="A,B", help="default all")
    add("--tasks", type=names, default=["all"], metavar="A,B", help="default all")
    add("--lengths", type=numbers, default=[512, 1024, 2048, 4096, 8000], metavar="N,N", help="document tokens")
    add("--n", type=int, default=20, metavar="N", help="examples for each task and length (default 20)")
    add("--seed", type=int, default=0, metavar="N")
    add("--out", required=True, metavar="DIR", help="where results and report go; a stopped run goes on")


def answers_options(command: argparse.ArgumentParser) -> None:
    """What `answers` measures."""
    add = command.add_argument
    model_options(command)
    add("--qa", required=True, metavar="FILE", help="questions in SQuAD v1.1 format")
    articles_option(command)
    add("--n", type=int, default=200, metavar="N", help="questions (default 200)")
    add("--long", action="store_true", help="let answers go on after their first sentence")
    add("--seed", type=int, default=0, metavar="N")
    add("--out", required=True, metavar="DIR", help="where results and report go; a stopped run goes on")
