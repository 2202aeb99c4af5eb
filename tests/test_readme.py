"""The README and the pages of `docs/`: snippets run, commands are understood, links lead somewhere.

The snippets of `docs/api.md` marked `client` and `mcp` run in `tests/browser/test_programs.py`.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from app import main as app
from kveraser_core import Answer, Backbone, DocumentSession, Span
from kveraser_core.cli import main as command_line
from kveraser_core.cli.question import as_json
from kveraser_core.documents.search.near import NearMiss
from kveraser_core.methods import METHODS, get_method
from kveraser_core.sessions.passages import FoundPassage

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(
    r"""(?:<!--\ (?P<mark>.*)\ -->\n)?
    ^\ *```(?P<kind>\w+)\n
    (?P<code>(?s:.*?))
    ^\ *```$""",
    re.MULTILINE | re.VERBOSE,
)
KINDS = {"bibtex", "console", "json", "mermaid", "py", "python", "sh", "text"}
PROGRAMS = ("python", "kveraser", "make", "pip", "torchrun", "accelerate")
CHECKED_FOLDERS = ("kveraser_core", "app", "assets", "docs", "tests")
NO_METHODS = {"all", "fresh_prefill"}

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


class Parsed(Exception):
    """A command's arguments were understood."""


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """The mark before each fenced block of `page`, its language and its code."""
    for block in FENCED.finditer(page.read_text(encoding="utf-8")):
        yield block["mark"] or "", block["kind"], textwrap.dedent(block["code"])


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def inline_code(page: Path) -> list[str]:
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(page))]


def commands(page: Path) -> list[str]:
    """Every shell command of `page`, in blocks and in sentences."""
    found = []
    for _, kind, code in blocks(page):
        lines = code.replace("\\\n", " ").splitlines()
        if kind == "sh":
            found += lines
        elif kind == "console":
            found += [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    for code in inline_code(page):
        if code.split()[0] in PROGRAMS and " " in code:
            found.append(f"{code} --help" if re.fullmatch(r"kveraser [a-z ]+", code) else code)
    return found


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.packaged
@pages
def test_snippets_run_one_after_the_other_and_print_what_is_promised(page, packaged, prefilled, monkeypatch):
    """As printed; a model that several load is loaded once, and so is a document."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(Backbone, "load", lambda: packaged)
    monkeypatch.setattr(DocumentSession, "load", lambda backbone, document: prefilled(document))
    names: dict[str, object] = {"__name__": page.stem}
    assert page.read_text(encoding="utf-8").count("```") == 2 * len(list(blocks(page)))
    for mark, kind, code in blocks(page):
        assert kind in KINDS
        assert kind != "py" or (page.stem, mark) in {("api", "client"), ("api", "mcp")}
        if kind == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(code, page.name, "exec"), names)  # noqa: S102
            assert all(promised in printed.getvalue() for promised in mark.removeprefix("prints: ").split(", "))


@pages
def test_commands_are_understood(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    understand = argparse.ArgumentParser.parse_args

    def parse_only(self, arguments=None, namespace=None):
        raise Parsed(understand(self, arguments, namespace))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    for command in commands(page):
        words = shlex.split(command, comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        if words:
            check(words, command)


def check(words: list[str], command: str) -> None:
    """Fail unless a command is one of ours, with arguments that it takes."""
    program, *arguments = words
    module = arguments[arguments.index("-m") + 1] if "-m" in arguments else ""
    if program == "make":
        makefile = (ROOT / "Makefile").read_text()
        targets = re.findall(r"^([\w-]+):", makefile, re.M)
        for argument in arguments:
            name, given, _ = argument.partition("=")
            assert f"$({name})" in makefile if given else argument in targets, command
    elif program == "pip":
        assert arguments[0] == "install", command
        assert arguments[-1] == "." or " ".join(arguments[1:]) in (ROOT / "Makefile").read_text(), command
    elif program == "kveraser" or module == "kveraser_core":
        rest = arguments if program == "kveraser" else arguments[arguments.index("-m") + 2 :]
        for name in methods(understood(command_line.main, rest, command)):
            get_method(name)
    elif arguments[0] == "app.py":
        understood(app.main, arguments[1:], command)
    else:
        assert module, command
        assert importlib.util.find_spec(module), command
        assert all((ROOT / name).exists() for name in arguments if name.endswith(".py")), command


def understood(main, arguments: list[str], command: str) -> argparse.Namespace:
    try:
        main(arguments)
    except Parsed as parsed:
        return parsed.args[0]
    except SystemExit as ended:
        if ended.code == 0:  # its help
            return argparse.Namespace()
    pytest.fail(f"not understood: {command}")


def methods(options: argparse.Namespace) -> set[str]:
    """The erase methods that a command names: several, or one for `train`."""
    one_or_more = getattr(options, "method", None) or []
    named = [one_or_more] if isinstance(one_or_more, str) else one_or_more
    return {*named, *getattr(options, "methods", [])} - NO_METHODS


@pages
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not target.startswith("https://"):
            name, _, anchor = target.partition("#")
            linked = page.parent / name if name else page
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked), target


@pages
def test_named_files_exist(page):
    if page.stem == "CHANGELOG":
        return  # it tells of files that were
    for code in inline_code(page):
        if code.startswith(tuple(f"{folder}/" for folder in CHECKED_FOLDERS)) and " " not in code:
            assert (ROOT / code).exists(), code


def test_the_keys_that_json_output_is_said_to_have_are_those_it_has():
    span = SimpleNamespace(characters=Span(0, 1), text="", tokens=1, new_text="")
    backbone, document = SimpleNamespace(name="", eraser=None), SimpleNamespace(title="", text="ab", warnings=())
    session = SimpleNamespace(
        backbone=backbone, document=document, tokens=1, spans=[span], round_out=lambda spans: [span]
    )
    passage = FoundPassage("a", [Span(0, 1)], [NearMiss(Span(1, 2), "b", "")], [])
    given = json.dumps(as_json(session, "", [Answer("none", "")], [passage]))
    (told,) = (code for _, kind, code in blocks(ROOT / "docs" / "cli.md") if kind == "text")
    assert set(re.findall(r'"(\w+)"', told)) == set(re.findall(r'"(\w+)":', given))


def test_the_readme_is_short_and_has_every_method():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert re.findall(r"^\| `([\w]+)(?::K)?` \| (?!\d)", text, re.M) == list(METHODS)
