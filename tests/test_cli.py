import json
import os
import subprocess
import sys

import pytest

from kveraser_core.cli.main import main
from kveraser_core.sessions.answers import FIGURES
from tests.pdf_files import File, text
from tests.test_documents import pdf
from tests.tiny import TEXT

OLD = "the toll is fourteen silver coins"
KEYS_OF_ALL = {
    "document",
    "warnings",
    "model",
    "eraser",
    "context_tokens",
    "spans",
    "passages",
    "question",
    "methods",
}
KEYS = {
    "name", "answer", "erase_s", "question_prefill_s", "ttft_s", "decode_tokens_per_s", "tokens", "agreement", "kl",
    "extra_bytes", "error", "ran", "exact",
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "harbour.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.fixture
def run(file, model_folder, capsys):
    def call(command, *options):
        code = main([command, file, "What is the toll?", "--model", str(model_folder), "--max-tokens", "8", *options])
        return code, capsys.readouterr()

    return call


def test_ask_prints_one_stable_object(run, model_folder):
    code, printed = run("ask", "--erase", OLD, "--method", "mask", "--json")
    result = json.loads(printed.out)
    assert code == 0
    assert set(result) == KEYS_OF_ALL
    (passage,) = result["passages"]
    assert (passage["passage"], passage["found"], passage["not_erased"]) == (OLD, 1, [])
    assert result["document"] == "harbour.txt"
    assert result["model"] == str(model_folder)
    assert "runs on cpu by the engine " in " ".join(printed.err.split())
    assert result["eraser"] is None
    (span,) = result["spans"]
    assert TEXT[span["start"] : span["end"]] == span["text"]
    assert OLD in span["text"]
    (method,) = result["methods"]
    assert set(method) == KEYS
    assert method["name"] == "mask"
    assert method["ttft_s"] >= method["erase_s"] + method["question_prefill_s"]


def test_compare_runs_every_method_that_there_is_an_eraser_for(run, save_adapter):
    folder = save_adapter()
    (folder / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 8}')
    code, printed = run("compare", "--erase-range", "10:60", "--eraser", str(folder), "--json")
    result = json.loads(printed.out)
    assert code == 0
    assert result["eraser"] == str(folder)
    by_name = {method["name"]: method for method in result["methods"]}
    assert len(by_name) == 8
    assert by_name["full_recompute"]["kl"] == 0
    assert all(method["error"] is None for method in by_name.values())


def test_an_exact_answer_is_that_of_full_recompute(run):
    code, printed = run("ask", "--erase", OLD, "--exact", "--json")
    (exact,) = json.loads(printed.out)["methods"]
    assert code == 0
    assert (exact["name"], exact["exact"]) == ("full_recompute", True)
    code, printed = run("ask", "--erase", OLD, "--method", "full_recompute", "--json")
    assert json.loads(printed.out)["methods"][0]["answer"] == exact["answer"]
    code, printed = run("ask", "--erase", OLD, "--json")
    assert not json.loads(printed.out)["methods"][0]["exact"]
    code, printed = run("ask", "--erase", OLD, "--exact", "--method", "mask")
    assert code == 2
    assert "leave mask out" in printed.err


def test_a_further_document_is_read_and_erased_from(run, tmp_path):
    (tmp_path / "ferries.txt").write_text("Ferries are free.")
    code, printed = run("ask", "--also", str(tmp_path / "ferries.txt"), "--erase", "Ferries are free.", "--json")
    (span,) = json.loads(printed.out)["spans"]
    assert (code, span["text"], span["start"]) == (0, "Ferries are free.", len(TEXT) + 2)


def test_tables_for_people(run):
    code, printed = run("compare", "--erase", OLD)
    assert code == 0
    assert "local_repair" in printed.out
    assert all(word in printed.out for column in FIGURES for word in column.split())
    assert "kveraser" not in printed.out
    code, printed = run("compare", "--erase", OLD, "--method", "mask", "--method", "kveraser_repair")
    assert code == 0
    assert "No eraser is loaded" in printed.out
    code, printed = run("ask", "--erase", "all night in winter.")
    assert code == 0
    assert "full_recompute ran" in printed.out
    code, printed = run("ask")
    assert code == 0
    assert "erased: nothing" in printed.out


def test_passages_are_replaced_and_erased_in_one_command(run):
    options = ["--replace", "thirty copper coins", "ten silver coins", "--erase", OLD, "--method", "full_recompute"]
    code, printed = run("ask", *options, "--json")
    result = json.loads(printed.out)
    assert code == 0
    assert [span["new_text"].strip() for span in result["spans"]] == ["", "ten silver coins"]
    assert [passage["new_text"] for passage in result["passages"]] == ["", "ten silver coins"]
    code, printed = run("ask", *options)
    assert code == 0
    assert ", replaced: " in printed.out
    code, printed = run("ask", "--replace", "harbour office", "old lighthouse", "--method", "kveraser")
    assert code == 2


def test_a_report_for_people_for_programs_and_to_keep(file, model_folder, capsys):
    options = ["report", file, "--erase", OLD, "--ask", "What is the toll?", "--model", str(model_folder)]
    assert main([*options, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["method"], report["document"]) == ("local_repair", "harbour.txt")
    assert report["command"].startswith("kveraser report ")
    assert [passage["text"].strip() for passage in report["passages"]] == [OLD]
    assert [question["question"] for question in report["questions"]] == ["What is the toll?"]
    assert main([*options, "--html", "--method", "full_recompute"]) == 0
    assert "<!doctype html>" in (page := capsys.readouterr().out)
    assert "Cannot be told from a document without it" in page
    assert main([*options, "--method", "full_recompute"]) == 0
    assert "Cannot be told from a document without it" in capsys.readouterr().out
    assert main(["report", file, "--model", str(model_folder)]) == 2
    assert "Nothing is erased or replaced" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--erase", "not in there"], "does not contain"),
        (["--replace", "not in there", "x"], "does not contain"),
        (["--replace", "thirty", "word " * 2000], "shorten it"),
        (["--erase-range", "5:2"], "does not fit"),
        (["--erase-range", "0:99999"], "does not fit"),
        (["--method", "forget"], "no erase method 'forget'"),
        (["--pages", "2-3"], "There are no pages 2-3"),
        (["--temperature", "-1"], "cannot be negative"),
        (["--eraser", "."], "is not an eraser"),
    ],
)
def test_what_the_user_got_wrong_ends_with_2_and_a_sentence(run, options, sentence):
    code, printed = run("ask", *options)
    assert code == 2
    assert sentence in " ".join(printed.err.split())
    assert printed.out == ""


def test_what_erasing_by_text_takes_and_leaves_is_said(run):
    code, printed = run("ask", "--erase", "FOURTEEN silver coi", "--erase", "the toll is fifteen silver coins")
    assert code == 2
    assert f'only "{OLD}" at' in printed.err
    code, printed = run("ask", "--erase", "FOURTEEN silver coi")
    assert code == 0
    said = " ".join(printed.out.split())
    assert '"FOURTEEN silver coi" was found 1 time.' in said
    assert 'It is part of "coins": --whole-words leaves those.' in said
    code, printed = run("ask", "--erase", "FOURTEEN silver coi", "--whole-words")
    assert code == 2
    assert "does not contain" in printed.err


def test_ranges_are_checked(run, capsys):
    with pytest.raises(SystemExit) as caught:
        run("ask", "--erase-range", "ten:20")
    assert caught.value.code == 2
    assert "two character offsets" in capsys.readouterr().err


def test_a_missing_file_ends_with_2(capsys, model_folder):
    assert main(["ask", "absent.txt", "What?", "--model", str(model_folder)]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_help_needs_no_model():
    done = subprocess.run(
        [sys.executable, "-m", "kveraser_core", "--help"], capture_output=True, text=True, check=True
    )
    assert "compare" in done.stdout


def test_without_an_extra_a_command_says_what_is_missing(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in [name for name in sys.modules if name.startswith(("kveraser_core.cli.", "kveraser_core.evaluation"))]:
        if name != "kveraser_core.cli.main":
            monkeypatch.delitem(sys.modules, name)
    assert main(["evaluate", "--corpus", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "matplotlib is not installed: install it, or kveraser with its extra [bench]" in capsys.readouterr().err


def text_of(path, *options, encoding="utf-8"):
    """What `text` prints, by a process of its own, whose output has `encoding`."""
    command = [sys.executable, "-m", "kveraser_core", "text", path, *options]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(command, capture_output=True, env=environment, check=False)


def test_text_is_printed_with_the_offsets_that_ranges_count(file, capsys):
    assert main(["text", file]) == 0
    printed = [line.strip().partition("  ") for line in capsys.readouterr().out.splitlines()]
    assert [(offset, line) for offset, _, line in printed if line] == [
        (str(TEXT.index(line)), line) for line in TEXT.split("\n") if line
    ]


def test_pages_and_what_was_not_read_are_said(tmp_path, capsys):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf(["one"], ["two"], ["three"]))
    assert main(["text", str(path), "--pages", "2-3"]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines() if "page" in line] == [
        ["page", "2"],
        ["page", "3"],
    ]
    path.write_bytes(File(text("Seen."), "3 Tr " + text("Not seen.")).saved())
    assert main(["text", str(path), "--json"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert set(result) == {"document", "page_starts", "warnings", "text"}
    assert result["page_starts"] == [0, 7]
    assert result["warnings"] == ["Invisible text on page 2 was left out."]
    assert printed.err == "kveraser: Invisible text on page 2 was left out.\n"


def test_what_standard_output_cannot_encode_is_escaped(tmp_path):
    path = tmp_path / "odd\udcff name.txt"
    path.write_text("price: 5 \u20ac")
    done = text_of(path, encoding="ascii")
    assert (done.returncode, done.stdout, done.stderr) == (0, b" 0  price: 5 \\u20ac\n", b"")
    missing = text_of(tmp_path / "\udcfe.txt", encoding="ascii")
    assert missing.returncode == 2
    assert missing.stderr.endswith(b"\\udcfe.txt does not exist: check the path and its permissions.\n")
