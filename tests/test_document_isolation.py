"""What a process that parses a document can reach: no program, no file, no address, no module of the folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from kveraser_core.documents import (
    DocumentError,
    read_document,
)
from kveraser_core.documents.formats import parse
from tests.hostile import docx_files, pdf_files
from tests.test_documents import pdf

ROOT = Path(__file__).parents[1]


def test_importing_the_reader_imports_no_parser():
    program = "import kveraser_core.documents.document, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert not {"torch", "numpy", "pypdf", "lxml", "bs4", "openpyxl", "charset_normalizer", "webencodings"} & set(
        loaded.split()
    )


def test_modules_of_the_folder_one_works_in_are_not_taken(tmp_path, monkeypatch):
    for name in ("json", "threading", "pypdf", "kveraser_core"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(5)")
    monkeypatch.chdir(tmp_path)
    assert read_document(pdf(["inside"]), "a.pdf").text == "inside"


def test_no_program_is_run_on_what_a_file_holds(tmp_path, monkeypatch):
    program = tmp_path / "jbig2dec"
    program.write_text(f"#!/bin/sh\necho run > {tmp_path}/run\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DocumentError):
        read_document(pdf_files.FILES["JBIG2"](), "a.pdf")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["entity from a file", "entity from an address", "definitions from an address"])
def test_no_file_and_no_address_is_opened_for_a_document(name):
    assert parse(docx_files.FILES[name](), "a.docx")[0] == "text"
