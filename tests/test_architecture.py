"""The layout of the library: who may import whom, what importing it costs, and how long a file may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "kveraser_core"
ORDER = [
    "errors",
    "documents",
    "cache",
    "engines",
    "model",
    "methods",
    "sessions",
    "tasks",
    "training",
    "evaluation",
    "benchmark",
    "cli",
]
"""A part may import those before it only. `docs/architecture.md` says the same."""


def imports(file: Path) -> Iterator[str]:
    """The modules that a file imports, in functions too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "kveraser_core" and len(parts) > 1 and parts[1] in ORDER else None


@pytest.mark.parametrize("part", ORDER)
def test_a_part_imports_only_those_before_it(part):
    files = list((LIBRARY / part).rglob("*.py")) or [LIBRARY / f"{part}.py"]
    found = {(file.name, other) for file in files for module in imports(file) if (other := part_of(module))}
    later = set(ORDER[ORDER.index(part) + 1 :])
    assert sorted(pair for pair in found if pair[1] in later) == []


def test_every_file_belongs_to_a_part():
    assert {path.relative_to(LIBRARY).parts[0].removesuffix(".py") for path in LIBRARY.rglob("*.py")} == {
        *ORDER,
        "__init__",
        "__main__",
    }


def test_only_the_compiled_engine_imports_its_compiler_and_the_cache_knows_no_document():
    for file in LIBRARY.rglob("*.py"):
        roots = {module.split(".")[0] for module in imports(file)}
        if "engines/cpu" not in file.as_posix():
            assert not roots & {"numba", "llvmlite"}, file
        if "cache" in file.parts:
            assert part_of("kveraser_core.documents") not in set(map(part_of, imports(file))), file


def loaded_by(program: str) -> set[str]:
    program += "; import sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_library_loads_no_model_code():
    assert not loaded_by("import kveraser_core") & {"torch", "numpy", "transformers", "numba", "matplotlib"}


def test_a_session_needs_neither_compiler_nor_plots_nor_the_sentence_model():
    loaded = loaded_by("from kveraser_core import Backbone, DocumentSession, METHODS, load_document")
    assert "torch" in loaded
    assert not loaded & {"numba", "llvmlite", "matplotlib", "gradio", "sentence_transformers", "sentencex"}


def test_public_names_are_there_and_others_are_not():
    import kveraser_core

    assert all(getattr(kveraser_core, name) for name in kveraser_core.__all__)
    with pytest.raises(AttributeError, match="no attribute 'forget'"):
        kveraser_core.forget  # noqa: B018


def test_no_file_of_the_product_is_longer_than_300_lines():
    files = [file for folder in ("kveraser_core", "app") for file in (ROOT / folder).rglob("*.[pjc][ys]*")]
    assert len(files) > 100
    long = {
        str(file.relative_to(ROOT)): lines for file in files if (lines := len(file.read_text().splitlines())) > 300
    }
    assert long == {}
