"""What several formats have beside their text: what is left out in the same words, and what is read once."""

from collections.abc import Iterable, Iterator

HIDDEN = "Hidden text was left out."
DELETED = "Text deleted with tracked changes was left out."
COMMENTS = "The comments were left out."
READINGS = "The readings printed above characters (ruby) were left out."


def running_texts(texts: Iterable[str]) -> Iterator[str]:
    """Each text of headers or footers once; a bare number of a page is none."""
    seen = set()
    for text in texts:
        if any(map(str.isalpha, text)) and text not in seen:
            seen.add(text)
            yield text
