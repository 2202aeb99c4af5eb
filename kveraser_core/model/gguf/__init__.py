"""Models in GGUF files: read, checked, and converted once to what transformers loads."""
