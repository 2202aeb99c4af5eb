"""The text of files that office programs write, and of EPUB, which is packed as theirs are."""
