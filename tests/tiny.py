"""Tiny random models and a tokenizer, built here: nothing is downloaded."""

from pathlib import Path

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

from kveraser_core.engines import attention

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


def ending_soon(model: PreTrainedModel) -> PreTrainedModel:
    """`model`, whose answers end after a few words as those of a trained one do: its token of the end is likelier."""
    with torch.no_grad():
        model.lm_head.weight[model.config.eos_token_id] *= 2.5
    return model


def save_adapter_of(base: PreTrainedModel, folder: Path, zero: bool = False) -> None:
    """Save in `folder` a random LoRA adapter of `base`; with `zero` one that changes nothing."""
    wrapped = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=PROJECTIONS))
    torch.manual_seed(11)
    with torch.no_grad():
        for name, weight in wrapped.named_parameters():
            if "lora_B" in name and not zero:
                weight.normal_(0, 0.3)
    wrapped.save_pretrained(folder)
