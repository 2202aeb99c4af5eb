"""Finding a passage in a text as a reader would find it."""
