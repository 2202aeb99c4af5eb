"""Models in GGUF files: the same logits and token ids as of the model that the file was made of, or a refusal."""

import json
import shutil

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, LlamaTokenizer

from kveraser_core.engines.engine import VARIABLE
from kveraser_core.model.backbone import Backbone, UnsupportedModel
from kveraser_core.model.gguf import convert as module
from kveraser_core.model.gguf.convert import CacheUnwritable
from tests.gguf_files import KINDS, tiny, tokens_of, write
from tests.tiny import TEXT


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kveraser" / "models"


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tokenizer):
    """A good file."""
    return write(tmp_path_factory.mktemp("gguf") / "tiny.gguf", tiny("llama"), tokenizer, "llama", "Q4_0")


def load(path):
    return Backbone.load(str(path), device="cpu", dtype=torch.float32)


def logits(backbone, ids):
    return backbone.logits(backbone.encode(ids, backbone.new_cache(len(ids)))).float()


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("llama", "Q4_0"),
        ("llama-3", "Q8_0"),
        ("biased", "Q4_1"),
        ("mistral", "Q4_1"),
        ("smollm2", "Q8_0"),
        ("smollm3", "Q4_0"),
        ("qwen2", "Q4_1"),
        ("qwen3", "Q8_0"),
        ("yarn", "F16"),
        ("qwen2", "F32"),
        ("llama", "BF16"),
    ],
)
def test_a_file_gives_the_logits_of_its_weights_and_the_ids_of_its_tokenizer(
    kind, form, tmp_path, tokenizer, monkeypatch
):
    monkeypatch.setenv(VARIABLE, "torch")  # which keeps keys and values in fp32
    model = tiny(kind)
    backbone = load(write(tmp_path / "a.gguf", model, tokenizer, kind, form))
    text = f"{TEXT} 12345  \n\n\t Größe, Ⅷ，日本語 👍🏽"
    ids = backbone.tokenize(text)[0]
    assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        exact = model(torch.tensor([ids])).logits[0]
    torch.testing.assert_close(logits(backbone, ids), exact, atol=2e-4 * float(exact.abs().max()), rtol=0)
    assert backbone.window == 1024
    assert backbone.end_ids == {tokenizer.eos_token_id}
    assert backbone.tokenizer.chat_template == tokenizer.chat_template


@pytest.mark.parametrize("label", [3, 4, 1], ids=["control", "user-defined", "normal"])
def test_text_that_looks_like_a_special_token_is_text(label, tmp_path, tokenizer):
    """Whatever the file calls the tokens of its chat."""
    labels = [label if "<|" in token else 1 for token in tokens_of(tokenizer)]
    changes = {"tokenizer.ggml.token_type": labels}
    backbone = load(write(tmp_path / "a.gguf", tiny("llama"), tokenizer, "llama", **changes))
    for token in ("<|im_end|>", "<|im_start|>", "<|endoftext|>"):
        number = tokenizer.convert_tokens_to_ids(token)
        ids, _ = backbone.tokenize(f"a {token} b")
        assert number not in ids
        assert backbone.text_of(ids) == f"a {token} b"
        assert backbone.tokenize_template(token) == [number]


def test_words_that_are_typed_are_taken_whole_and_are_no_special_tokens(tmp_path, tokenizer):
    """`<think>` and the like: added tokens that are text."""
    tokens = tokens_of(tokenizer)
    tokens[419] = "<think>"
    changes = {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * 3 + [1] * 416 + [4],
    }
    backbone = load(write(tmp_path / "a.gguf", tiny("llama"), tokenizer, "llama", **changes))
    assert backbone.tokenize("<think>")[0] == [419]
    assert backbone.tokenizer.decode([419], skip_special_tokens=True) == "<think>"


@pytest.mark.parametrize("prefix", [True, False])
def test_a_sentencepiece_vocabulary(tmp_path, tokenizer, prefix):
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    pieces.train_from_iterator([TEXT * 4], trainers.BpeTrainer(vocab_size=150, show_progress=False))
    special, spelled = ["<unk>", "<s>", "</s>"], [f"<0x{byte:02X}>" for byte in range(256)]
    learnt = sorted(pieces.get_vocab(), key=pieces.get_vocab().get)
    tokens = [*special, *spelled, *learnt]
    tokens += [f"[PAD{number}]" for number in range(len(tokens), 420)]
    changes = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [2, 3, 3, *[6] * 256, *[1] * len(learnt), *[5] * (420 - 259 - len(learnt))],
        "tokenizer.ggml.scores": [-float(number) for number in range(420)],
        "tokenizer.ggml.merges": None,
        "tokenizer.ggml.pre": None,
        "tokenizer.ggml.add_space_prefix": prefix,
    }
    backbone = load(write(tmp_path / "a.gguf", tiny("mistral"), tokenizer, "mistral", **changes))
    merges = [tuple(pair) for pair in json.loads(pieces.to_str())["model"]["merges"]]
    exact = LlamaTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, merges=merges, add_prefix_space=prefix
    )
    for text in (TEXT, "A ship\n\n pays  twice: 日本 </s> <0x41>"):
        ids, _ = backbone.tokenize(text)
        assert ids == exact(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert 2 not in ids
        assert backbone.text_of(ids) == text
    assert backbone.tokenize_template("</s>") == [2]


def test_all_tokens_that_end_an_answer_are_known(tmp_path, tokenizer):
    changes = {"tokenizer.ggml.eot_token_id": 0}
    backbone = load(write(tmp_path / "a.gguf", tiny("llama"), tokenizer, "llama", **changes))
    assert backbone.end_ids == {0, tokenizer.eos_token_id}


def test_it_is_converted_once_by_its_content(whole, tmp_path, cache, monkeypatch):
    times = []
    monkeypatch.setattr(module, "unpacked", lambda *args, real=module.unpacked: times.append(1) or real(*args))
    first = load(whole)
    other = tmp_path / "other name.GGUF"
    shutil.copy(whole, other)
    ids = list(range(3, 40))
    assert torch.equal(logits(load(other), ids), logits(first, ids))
    assert len(times) == 1
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    (folder / "model.safetensors").write_bytes(b"altered")
    assert torch.equal(logits(load(whole), ids), logits(first, ids))
    assert len(times) == 2


def refusal(path):
    with pytest.raises(UnsupportedModel) as caught:
        load(path)
    said = str(caught.value)
    assert said.startswith(f"The GGUF file {path.name} could not be loaded, for ")
    assert said.endswith(".")
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"general.architecture": "gemma3"}, "its architecture is 'gemma3', and llama, qwen2, qwen3, smollm3 are"),
        ({"general.architecture": None}, "it is cut short or damaged"),
        ({"split.count": 3}, "it is one of 3 parts"),
        ({"tokenizer.ggml.model": None}, "it has no tokenizer"),
        ({"tokenizer.ggml.tokens": None}, "it has no tokenizer"),
        ({"tokenizer.ggml.model": "bert"}, "its tokenizer is of the kind 'bert'"),
        ({"tokenizer.ggml.merges": None}, "its tokenizer has no merges"),
        ({"tokenizer.ggml.pre": "other"}, "its tokenizer splits text by 'other'"),
        ({"tokenizer.ggml.pre": None}, "its tokenizer splits text by None"),
        ({"tokenizer.ggml.eos_token_id": 420}, "its eos token is 420, and it has 420 tokens"),
        ({"tokenizer.ggml.token_type": [1, 2]}, "its tokenizer does not say of each token"),
        ({"tokenizer.ggml.merges": ["qq zz"]}, "its tokenizer cannot be rebuilt"),
        ({"llama.attention.sliding_window": 256}, "it sets llama.attention.sliding_window"),
        ({"llama.expert_count": 8}, "it sets llama.expert_count"),
        ({"llama.rope.scaling.type": "longrope"}, "its positions are scaled by 'longrope'"),
        ({"llama.block_count": None}, "it does not say its llama.block_count"),
        ({"llama.block_count": 4}, "it lacks blk.3."),
        ({"llama.block_count": 2}, "it holds blk.2."),
        ({"llama.feed_forward_length": 100}, "ffn_gate.weight is 96 x 64, and 100 x 64 by its metadata"),
        ({"llama.attention.head_count": 0}, "it has 0 heads"),
        ({"llama.attention.head_count_kv": [2, 2, 1]}, "its metadata make no model"),
        ({"llama.rope.dimension_count": 8}, "attn_q.weight is 64 x 64, and 32 x 64"),
        ({"tokenizer.ggml.bos_token_id": "x"}, "its tokenizer cannot be rebuilt"),
    ],
    ids=str,
)
def test_a_file_that_cannot_be_used_is_refused_by_its_cause(changes, said, tmp_path, tokenizer):
    assert said in refusal(write(tmp_path / "a.gguf", tiny("llama"), tokenizer, "llama", "Q4_0", **changes))


@pytest.mark.parametrize("share", [0, 0.00001, 0.001, 0.02, 0.3, 0.9, 0.999])
def test_a_truncated_file(whole, tmp_path, share):
    content = whole.read_bytes()
    (tmp_path / "a.gguf").write_bytes(content[: int(share * len(content))])
    said = refusal(tmp_path / "a.gguf")
    assert "it is cut short or damaged" in said or "it is no GGUF file" in said


def altered(whole, tmp_path, alter):
    path = tmp_path / "a.gguf"
    shutil.copy(whole, path)
    with path.open("r+b") as file:
        alter(file, GGUFReader(whole))
    return path


def at(tensor, content):
    def alter(file, reader):
        file.seek(next(found.data_offset for found in reader.tensors if found.name == tensor))
        file.write(content)

    return alter


def header(offset, content):
    def alter(file, reader):
        file.seek(offset)
        file.write(content)

    return alter


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (header(0, b"GGML"), "it is no GGUF file"),
        (header(4, b"\x63"), "it is cut short or damaged"),
        (header(8, b"\xff" * 7), "it is cut short or damaged"),
        (header(16, b"\xff" * 7), "it is cut short or damaged"),
        (header(26, b"\xff" * 4), "it is cut short or damaged"),
        (
            at("blk.1.attn_norm.weight", np.float32(np.nan).tobytes()),
            "blk.1.attn_norm.weight holds what is no number",
        ),
        (at("blk.1.ffn_up.weight", np.float16(np.inf).tobytes()), "its blk.1.ffn_up.weight holds what is no number"),
    ],
    ids=["magic", "version", "tensors", "keys", "length", "nan", "scale"],
)
def test_an_altered_file(whole, tmp_path, alter, said):
    assert said in refusal(altered(whole, tmp_path, alter))


def test_a_quantisation_that_cannot_be_unpacked_is_named(whole, tmp_path):
    def alter(file, reader):
        name = b"blk.0.ffn_up.weight"
        file.seek(whole.read_bytes().index(name) + len(name) + 4 + 16)
        file.write((9).to_bytes(4, "little"))

    assert "its blk.0.ffn_up.weight is quantised as Q8_1, which" in refusal(altered(whole, tmp_path, alter))


@pytest.mark.parametrize("name", ["missing.gguf", "folder.gguf"])
def test_a_file_that_is_not_there(tmp_path, name):
    (tmp_path / "folder.gguf").mkdir()
    with pytest.raises(UnsupportedModel, match="There is no file"):
        load(tmp_path / name)


def test_a_disk_without_room(whole, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(2**30, 2**30, 0))
    with pytest.raises(CacheUnwritable, match=r"The model tiny\.gguf cannot be kept in .*: free"):
        load(whole)


def test_every_kind_of_file_makes_another_model(tokenizer):
    """The tests above would not tell a file whose special parts are ignored: here they matter."""
    torch.manual_seed(0)
    ids = torch.randint(0, 420, (1, 200))
    plain = AutoModelForCausalLM.from_config(tiny("llama").config)
    model = tiny("llama-3")
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert (plain(ids).logits - model(ids).logits).abs().max() > 0.1
    assert set(KINDS) >= {"llama", "mistral", "qwen2", "qwen3", "smollm2"}
