"""Whatever a file holds, reading it ends within 10 seconds and 1 GB, in a document or in an error of ours."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kveraser_core.documents import read_document
from kveraser_core.documents.process import MAX_MEMORY, MAX_SECONDS
from kveraser_core.errors import KVEraserError
from tests.hostile import docx_files, other_files, pdf_files, text_files
from tests.soak.mutations import mutated

SEED, FILES = 20, 5_000
CRAFTED = [
    pytest.param(build, id=f"{module.__name__.split('.')[-1]}: {name}")
    for module in (pdf_files, docx_files, text_files, other_files)
    for name, build in module.FILES.items()
]
TO_START_AND_END = 3
"""Seconds of a child beside those it may take to parse."""

pytestmark = pytest.mark.soak


def read_in_time(data: bytes) -> None:
    began = time.monotonic()
    with contextlib.suppress(KVEraserError):
        read_document(data, "a")
    assert time.monotonic() - began < MAX_SECONDS + TO_START_AND_END


@pytest.mark.parametrize("build", CRAFTED)
def test_crafted_files(build):
    read_in_time(build())


def test_mutated_files():
    """Read in forks, which is fast; those that did not end by themselves are read once more, as a user would."""
    command = [sys.executable, "-m", "tests.soak.forked_reader", str(SEED), "1", str(FILES)]
    asked = subprocess.run(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True, check=True)
    outcomes = [json.loads(line) for line in asked.stdout.splitlines()]
    assert len(outcomes) == FILES
    print(*(max(outcomes, key=lambda each: each[figure]) for figure in ("seconds", "megabytes")), sep="\n")
    assert [each for each in outcomes if "Traceback" in each["said"]] == []
    assert max(each["megabytes"] for each in outcomes) < MAX_MEMORY / 1e6
    for number, outcome in enumerate(outcomes, 1):
        if not os.WIFEXITED(outcome["end"]):
            ((_, data),) = mutated(SEED, number, number)
            read_in_time(data)
