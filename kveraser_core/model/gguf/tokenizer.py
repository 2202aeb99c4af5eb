"""From a GGUF file's metadata to a tokenizer, which splits text as the model's own does.

Byte-level vocabularies are rebuilt here, with their control tokens as they are spelled; sentencepiece's are by
transformers.
"""

from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast
from transformers.integrations.gguf import convert_gguf_tokenizer
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

from kveraser_core.model.gguf.errors import DamagedFile

_KEY = "tokenizer.ggml."
LISTS = (f"{_KEY}tokens", f"{_KEY}merges")
"""The metadata that a tokenizer is made of."""
_CONTROL, _USER_DEFINED = 3, 4
_WHOLE_WORDS = ("llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral", "tekken")
"""Vocabularies in which a word that is a token is one, whatever the merges say."""
_SPLITS: dict[str, Any] = {
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "smollm": pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
}
_NAMED = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
_ENDS = ("eot", "eom")


def read_tokenizer(metadata: dict[str, Any]) -> PreTrainedTokenizerFast:
    """The tokenizer that `metadata` describe. Raises `DamagedFile`."""
    kind, tokens = metadata.get(f"{_KEY}model"), metadata.get(LISTS[0])
    if kind is None or not tokens:
        raise DamagedFile("it has no tokenizer")
    if len(set(tokens)) < len(tokens):
        raise DamagedFile("its tokenizer has a token twice")
    if kind not in ("gpt2", "llama"):
        raise DamagedFile(f"its tokenizer is of the kind {kind!r}, and gpt2 and llama are supported")
    named = {name: _token(metadata, key, tokens) for name, key in _NAMED.items()}
    backend = _byte_level(metadata, tokens) if kind == "gpt2" else _sentencepiece(metadata, tokens)
    types = metadata.get(f"{_KEY}token_type", [])
    if not isinstance(types, list) or (types and len(types) != len(tokens)):
        raise DamagedFile("its tokenizer does not say of each token what kind it is")
    control = {token for token, kind in zip(tokens, types, strict=False) if kind == _CONTROL or _looks_special(token)}
    control |= {token for token in (*named.values(), *(_token(metadata, key, tokens) for key in _ENDS)) if token}
    written = [
        token for token, kind in zip(tokens, types, strict=False) if kind == _USER_DEFINED and token not in control
    ]
    backend.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in tokens if token in control]
    )
    backend.add_tokens([AddedToken(token, normalized=False, special=False) for token in written])
    if backend.get_vocab_size() != len(tokens):
        raise DamagedFile("its tokenizer has added tokens that are not among its tokens")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend, clean_up_tokenization_spaces=False, **{n: t for n, t in named.items() if t}
    )
    fast.chat_template = metadata.get("tokenizer.chat_template")
    return fast


def _token(metadata: dict[str, Any], key: str, tokens: list[str]) -> str | None:
    number = metadata.get(f"{_KEY}{key}_token_id")
    if number is None:
        return None
    if not 0 <= number < len(tokens):
        raise DamagedFile(f"its {key} token is {number}, and it has {len(tokens):,} tokens")
    return tokens[number]


def _looks_special(token: str) -> bool:
    """Whether a token is one of a chat's, whatever kind a file says that it is."""
    return len(token) > 4 and token[:2] in ("<|", "<｜") and token[-2:] in ("|>", "｜>")


def _byte_level(metadata: dict[str, Any], tokens: list[str]) -> Tokenizer:
    split = metadata.get(f"{_KEY}pre")
    if split not in _SPLITS and split not in GGUF_PRE_TOKENIZER_SPLITS:
        raise DamagedFile(f"its tokenizer splits text by {split!r}, which is not known")
    if not (merges := metadata.get(LISTS[1])):
        raise DamagedFile("its tokenizer has no merges")
    model = models.BPE(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=[tuple(merge.split(" ", 1)) for merge in merges],
        ignore_merges=split in _WHOLE_WORDS,
    )
    made = Tokenizer(model)
    if split == "qwen2":
        made.normalizer = normalizers.NFC()
    made.pre_tokenizer = _SPLITS.get(split) or pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(GGUF_PRE_TOKENIZER_SPLITS[split]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    return made


def _sentencepiece(metadata: dict[str, Any], tokens: list[str]) -> Tokenizer:
    names = ("tokens", "scores", "merges")
    described = {name: metadata[f"{_KEY}{name}"] for name in names if f"{_KEY}{name}" in metadata}
    if "scores" not in described and "merges" not in described:
        raise DamagedFile("its tokenizer has neither scores nor merges")
    made, _ = convert_gguf_tokenizer("llama", {"tokenizer_type": "llama", **described})
    if not metadata.get(f"{_KEY}add_space_prefix", True):
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
        made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return made
