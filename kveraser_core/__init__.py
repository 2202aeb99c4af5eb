"""Make a language model forget a passage of a document it has already read."""
