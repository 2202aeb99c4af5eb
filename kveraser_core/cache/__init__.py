"""The editable KV cache: slots, the attention view and RoPE rotation."""
