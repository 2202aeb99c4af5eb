"""Tiny random models and a tokenizer, built here: nothing is downloaded."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from kveraser_core import documents
from kveraser_core.documents import Document
from kveraser_core.documents.formats import parse
from kveraser_core.engines import attention
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.session import DocumentSession
from kveraser_core.sessions.worker import WORKER, Job
from tests.sharing_out import Groups

if TYPE_CHECKING:
    from tests.serving import Served

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT = (
    "The harbour office opens at nine. Ships report to the pilot before they enter.\n\n"
    "An old rule said that the toll is fourteen silver coins for every mast.\n\n"
    "The toll today is thirty copper coins for a ship, paid at the quay by noon. "
    "Fishing boats pay nothing. The lamp on the pier burns all night in winter."
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Groups:
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In one process the browser and its servers come last: they would slow down what runs beside them."""
    items.sort(key=lambda item: "browser" in item.path.parts)


def trained_tokenizer(texts: list[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A tokenizer of ChatML whose `vocabulary` tokens are the commonest pieces of `texts`."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", bos_token="<|im_start|>")
    fast.chat_template = CHATML
    return fast


@pytest.fixture(autouse=True)
def background(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Nothing works in the background, but what a test does itself with the jobs given to the worker."""
    jobs: list[Job] = []
    monkeypatch.setattr(WORKER, "add", jobs.append)
    return jobs


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return trained_tokenizer([TEXT * 4], 420)


def tiny_config(kind: str, **changes: object) -> PretrainedConfig:
    sizes: dict[str, object] = {
        "vocab_size": 420,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 1024,
        "initializer_range": 0.2,
        "eos_token_id": 2,
        "bos_token_id": 1,
        "pad_token_id": 0,
    }
    sizes.update(changes)
    return {"llama": LlamaConfig, "qwen3": Qwen3Config}[kind](**sizes)


def tiny_model(kind: str, implementation: str = attention.NAME, **changes: object) -> PreTrainedModel:
    torch.manual_seed(7)
    config = tiny_config(kind, **changes)
    config._attn_implementation = implementation
    return {"llama": LlamaForCausalLM, "qwen3": Qwen3ForCausalLM}[kind](config).eval()


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


def save_adapter_of(base: PreTrainedModel, folder: Path, zero: bool = False) -> None:
    """Save in `folder` a random LoRA adapter of `base`; with `zero` one that changes nothing."""
    wrapped = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=PROJECTIONS))
    torch.manual_seed(11)
    with torch.no_grad():
        for name, weight in wrapped.named_parameters():
            if "lora_B" in name and not zero:
                weight.normal_(0, 0.3)
    wrapped.save_pretrained(folder)


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
