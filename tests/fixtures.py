"""What tests of several folders share: tiny models, the packaged one, adapters, a served app."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from kveraser_core import documents
from kveraser_core.documents import Document
from kveraser_core.documents.formats import parse
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.session import DocumentSession
from kveraser_core.sessions.worker import WORKER, Job
from tests.tiny import TEXT, save_adapter_of, tiny_model, trained_tokenizer

if TYPE_CHECKING:
    from tests.serving import Served


@pytest.fixture(autouse=True)
def background(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Nothing works in the background, but what a test does itself with the jobs given to the worker."""
    jobs: list[Job] = []
    monkeypatch.setattr(WORKER, "add", jobs.append)
    return jobs


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return trained_tokenizer([TEXT * 4], 420)


@pytest.fixture(params=["llama", "qwen3"])
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    """A tiny model in fp32 with our attention."""
    return tiny_model(request.param)


@pytest.fixture
def backbone(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> Backbone:
    return Backbone(model, tokenizer, "tiny")


@pytest.fixture
def llama(tokenizer: PreTrainedTokenizerFast) -> Backbone:
    return Backbone(tiny_model("llama"), tokenizer, "tiny")


@pytest.fixture(scope="session")
def packaged() -> Backbone:
    """The packaged model, for the few tests that its own answers are checked in."""
    return Backbone.load()


@pytest.fixture(scope="session")
def prefilled(packaged: Backbone) -> Callable[[Document], DocumentSession]:
    """`DocumentSession.load` with the packaged model; a document is prefilled once, and then its edits taken back."""
    load, sessions = DocumentSession.load, dict[str, DocumentSession]()

    def again(document: Document) -> DocumentSession:
        if document.text not in sessions:
            sessions[document.text] = load(packaged, document)
        sessions[document.text].restore_all()
        return sessions[document.text]

    return again


@pytest.fixture(scope="session")
def saved_adapters() -> dict[str, dict[str, bytes]]:
    """The files of adapters that were made, by what tells them apart: PEFT takes its time to make one."""
    return {}


@pytest.fixture
def save_adapter(tmp_path: Path, saved_adapters: dict[str, dict[str, bytes]]) -> Callable[..., Path]:
    """Save a LoRA adapter, made by PEFT for a model like the given one, and return its folder."""

    def save(kind: str = "llama", zero: bool = False, bare: bool = False, **changes: object) -> Path:
        folder, which = tmp_path / f"adapter-{kind}-{zero}-{bare}", repr((kind, zero, bare, sorted(changes.items())))
        if which not in saved_adapters:
            base = tiny_model(kind, "sdpa", **changes)
            save_adapter_of(base.model if bare else base, folder, zero)
            saved_adapters[which] = {file.name: file.read_bytes() for file in folder.iterdir()}
        folder.mkdir(exist_ok=True)
        for name, content in saved_adapters[which].items():
            (folder / name).write_bytes(content)
        return folder

    return save


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast) -> Path:
    """A tiny Llama with its tokenizer, saved as transformers saves them."""
    folder = tmp_path_factory.mktemp("tiny-llama")
    tiny_model("llama").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def parsed_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents are parsed at once, without a process of their own."""
    monkeypatch.setattr(documents.document, "parse_in_child", parse)


@pytest.fixture(scope="module")
def many_requests() -> Iterator[None]:
    """One client may send as many requests at once as a test likes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.clients.AT_ONCE", 10**6)
        yield


@pytest.fixture(scope="session")
def served(tokenizer: PreTrainedTokenizerFast) -> "Served":
    """The app, served in this process over a tiny model, as it is by default."""
    from tests.serving import Served  # Gradio takes seconds to import

    return Served(tokenizer)
