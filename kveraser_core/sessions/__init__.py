"""A document with its edits and questions."""
