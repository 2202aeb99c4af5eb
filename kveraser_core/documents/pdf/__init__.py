"""The text of a PDF, as it is read: runs (`content`), lines (`lines`), paragraphs (`paragraphs`), pages (`pages`)."""
