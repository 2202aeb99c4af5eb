"""The backbone: loading, tokenizer, prompts, adapters, generation."""
