"""Passages about the same thing as an erased one, by meaning."""
