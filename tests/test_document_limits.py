"""Files that strangers wrote are parsed in a process of its own, which ends in time and is not believed."""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from kveraser_core.documents import (
    DamagedDocument,
    Document,
    DocumentError,
    DocumentNeedsMemory,
    DocumentTooLarge,
    DocumentTooSlow,
    EncryptedDocument,
    read_document,
)
from kveraser_core.documents import child as document_child
from kveraser_core.documents import formats as document_formats
from kveraser_core.documents import process as document_process
from kveraser_core.documents.formats import is_html, parse
from kveraser_core.errors import KVEraserError
from tests.hostile import docx_files, other_files, pdf_files, text_files
from tests.test_documents import HTML, pdf, word

ROOT = Path(__file__).parents[1]
ENDLESS = "import time; time.sleep(600)"
HEAD = '{"size": 4, "page_starts": [0], "warnings": [], "guessed": null}'


def slow_pdf() -> bytes:
    return pdf_files.many_pages(2_000, pdf_files.SHOWN * 1_000)


@pytest.fixture
def child(monkeypatch):
    """Another program in place of the child that parses, and seconds for it."""

    def become(program: str, seconds: float = 20) -> None:
        monkeypatch.setattr(document_process, "_COMMAND", [sys.executable, "-c", program])
        monkeypatch.setattr(document_process, "MAX_SECONDS", seconds)

    return become


def children() -> set[psutil.Process]:
    """The processes that this one started: other tests' servers and browser too."""
    return set(psutil.Process().children())


@pytest.fixture(autouse=True)
def unhurried_and_nothing_left_running(monkeypatch):
    monkeypatch.setattr(document_process, "MAX_SECONDS", 100)  # a busy machine may take them where time is not tested
    before = children()
    yield
    assert children() <= before


def test_the_child_reads_what_this_process_would():
    for data in (pdf(["a"], [], ["b"]), word(), HTML.encode(), "Der Müller läßt die Straße".encode("cp1252")):
        text, *others = parse(data, "a")
        assert read_document(data, "a") == Document(text, "a", *others)


def test_titles_and_passwords_of_any_kind_come_through():
    data = pdf(["secret"], password="ключ \" \n'")
    assert read_document(data, "a", password="ключ \" \n'").text == "secret"
    with pytest.raises(EncryptedDocument, match="A password is needed to open '\udce4\n'"):
        read_document(data, "'\udce4\n'")


def test_text_needs_no_child(child):
    child("raise SystemExit(1)")
    assert read_document(b"plain text", "a.txt").text == "plain text"
    with pytest.raises(DocumentTooLarge, match="40,000,028 characters"):
        read_document(text_files.FILES["40 MB before a page"](), "a.txt")


@pytest.mark.parametrize(
    "build",
    [
        slow_pdf,
        pdf_files.FILES["60 MB of text"],
        docx_files.FILES["63 MB of empty paragraphs"],
        text_files.FILES["page a million deep"],
        other_files.FILES["RTF of 4 million words"],
        other_files.FILES["a book whose spine is a million"],
    ],
)
def test_files_that_took_minutes_end_in_a_sentence(build, monkeypatch):
    monkeypatch.setattr(document_process, "MAX_SECONDS", 2)
    data = build()
    began = time.monotonic()
    with pytest.raises(KVEraserError, match=r"^a [^\n]*[.]$"):
        read_document(data, "a")
    assert time.monotonic() - began < 5


def test_a_child_without_end_is_killed(child):
    child(ENDLESS, seconds=0.3)
    began = time.monotonic()
    with pytest.raises(DocumentTooSlow, match=r"a\.pdf could not be read within 0\.3 seconds: .*give a part of it"):
        read_document(pdf(["a"]), "a.pdf")
    assert time.monotonic() - began < 5


def test_a_child_that_takes_nothing_in_is_killed(child):
    child(ENDLESS, seconds=0.3)
    with pytest.raises(DocumentTooSlow):
        read_document(pdf(["a"]) + bytes(10_000_000), "a.pdf")


def outcome(data):
    """The text, or the error's class where there is none."""
    try:
        return read_document(data, "a").text
    except DocumentError as error:
        return type(error)


@pytest.mark.parametrize(
    "build",
    [
        docx_files.FILES["63 MB of spaces"],
        lambda: docx_files.body("<w:p/>" * 200_000),
        lambda: text_files.page(f'<p a="{"a" * 9_000_000}">text'),
        lambda: text_files.page("<p>text</p>" * 40_000),
        lambda: pdf_files.one_page(pdf_files.stream(bytes(60_000_000))),
    ],
)
def test_memory_is_bounded_and_nothing_is_left_out_for_want_of_it(build, monkeypatch):
    data = build()
    whole, refused = outcome(data), []
    for megabytes in (70, 120):
        monkeypatch.setattr(document_process, "MAX_MEMORY", megabytes * 10**6)
        found = outcome(data)
        refused.append(found is DocumentNeedsMemory)
        assert refused[-1] or found == whole
    assert refused[0]


@pytest.mark.parametrize(
    ("program", "error", "said"),
    [
        ("import os; os.abort()", DamagedDocument, "is damaged"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", DamagedDocument, "is damaged"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", DocumentNeedsMemory, "too much memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", DocumentTooSlow, "within 20 seconds"),
        ("raise SystemExit(3)", DocumentError, "by a fault of KVEraser"),
        ("", DamagedDocument, "is damaged"),
    ],
)
def test_how_a_child_ends_decides_what_is_said(child, program, error, said):
    child(program)
    with pytest.raises(DocumentError, match=f"a.pdf .*{said}") as raised:
        read_document(pdf(["a"]), "a.pdf")
    assert type(raised.value) is error


@pytest.mark.parametrize(
    "answer",
    [
        b"no JSON\n",
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b"9" * 100_000 + b"\n",
        b'{"size": 4, "page_starts": [0], "warnings": [], "guessed": null}',
        b'{"size": 5, "page_starts": [0], "warnings": [], "guessed": null}\ntext',
        b'{"size": 3, "page_starts": [0], "warnings": [], "guessed": null}\ntext',
        b'{"size": 4, "page_starts": [], "warnings": [], "guessed": null}\ntext',
        b'{"size": 4, "page_starts": [1], "warnings": [], "guessed": null}\ntext',
        b'{"size": 4, "page_starts": [0, 5], "warnings": [], "guessed": null}\ntext',
        b'{"size": 4, "page_starts": [0, -1], "warnings": [], "guessed": null}\ntext',
        b'{"size": 4, "page_starts": [0, 2, 2], "warnings": [], "guessed": null}\ntext',
        b'{"size": 4, "page_starts": [0, 1.5], "warnings": [], "guessed": null}\ntext',
        b'{"size": 4, "page_starts": [0, true], "warnings": [], "guessed": null}\ntext',
        b'{"size": 4, "page_starts": "0", "warnings": [], "guessed": null}\ntext',
        b'{"size": 4, "page_starts": [0]}\ntext',
        b'{"size": 4, "page_starts": [0], "warnings": [], "guessed": 7}\ntext',
        b'{"size": 4, "page_starts": [0], "warnings": [5], "guessed": null}\ntext',
        b'{"size": 4, "page_starts": [0], "warnings": [], "guessed": null}\n\xff\xff\xff\xff',
        b'{"error": "KVEraserError", "message": "x"}\n',
        b'{"error": "SystemExit", "message": "x"}\n',
        b'{"error": ["DocumentError"], "message": "x"}\n',
        b'{"error": "DocumentError", "message": 9}\n',
        b'{"error": "DocumentError"}\n',
    ],
)
def test_an_answer_that_is_none_is_damage(answer):
    assert document_process._checked(*answer.partition(b"\n")[::2]) is None


@pytest.mark.parametrize(
    "program",
    [
        "import sys\nwhile True: sys.stdout.write('x' * 99999)",
        f"import sys\nprint({HEAD!r})\nwhile True: sys.stdout.write('x' * 99999)",
    ],
)
def test_no_more_of_an_answer_is_read_than_a_document_can_have(child, program):
    child(program)
    before = psutil.Process().memory_info().rss
    with pytest.raises(DamagedDocument):
        read_document(pdf(["a"]), "a.pdf")
    assert psutil.Process().memory_info().rss - before < 60_000_000


def test_a_process_that_cannot_be_started_is_told(monkeypatch):
    monkeypatch.setattr(document_process, "_COMMAND", ["/nowhere/python"])
    with pytest.raises(DocumentError, match="no process can be started"):
        read_document(pdf(["a"]), "a.pdf")


def test_a_missing_library_is_told(monkeypatch):
    def fail(*asked):
        raise ImportError("No module named 'pypdf'")

    monkeypatch.setattr(document_formats, "parse", fail)
    head, text = document_child.answer(b"", "a.pdf", None)
    error = document_process._checked(json.dumps(head).encode(), text)
    assert str(error) == (
        "a.pdf cannot be read without what KVEraser requires: install it again (No module named 'pypdf')."
    )


def test_what_stands_before_a_page_takes_time_in_proportion():
    began = time.monotonic()
    assert not is_html("<!---->" * 500 + "x")
    assert is_html("<?xml version='1.0'?> <!-- a --> <!-- b -->\n<HTML>")
    assert time.monotonic() - began < 1


def watched(look: Callable[[list[psutil.Process]], None], *reads: Callable[[], object]) -> None:
    """Have `look` see the new children again and again while all of `reads` run, each in a thread of its own."""
    before = children()
    readers = [threading.Thread(target=read) for read in reads]
    for reader in readers:
        reader.start()
    while any(reader.is_alive() for reader in readers):
        with contextlib.suppress(psutil.Error):
            look(list(children() - before))
        time.sleep(0.01)


def test_the_password_is_in_no_command_line_and_no_environment(child):
    child(f"{ENDLESS} # stands for the child", seconds=1)
    shown: list[str] = []

    def read() -> None:
        with pytest.raises(DocumentTooSlow):
            read_document(pdf(["a"]), "a.pdf", password="open sesame")

    watched(lambda now: shown.extend(word for one in now for word in [*one.cmdline(), *one.environ().values()]), read)
    assert any("stands for the child" in each for each in shown)
    assert not any("open sesame" in each for each in shown)


def test_two_files_are_parsed_at_once_and_the_others_wait(child):
    child(f"import time; time.sleep(0.3); print({HEAD!r}, end='\\ntext')")
    counts, texts = [], []
    read = [lambda: texts.append(read_document(b"%PDF-", "a.pdf").text)] * 5
    watched(lambda now: counts.append(len(now)), *read)
    assert max(counts) == document_process.MAX_AT_ONCE == 2
    assert texts == ["text"] * 5


def test_the_child_ends_with_the_process_that_asked(tmp_path):
    program = (
        "from kveraser_core.documents import read_document; from tests.test_document_limits import slow_pdf; "
        "read_document(slow_pdf(), 'a.pdf')"
    )
    asking = psutil.Popen([sys.executable, "-c", program], cwd=ROOT)
    try:
        while not (children := asking.children()):
            assert asking.poll() is None
            time.sleep(0.05)
        while children[0].num_threads() < 2:  # until it has all of the file
            time.sleep(0.05)
    finally:
        asking.kill()
        asking.wait()
    assert psutil.wait_procs(children, timeout=8)[1] == []
