"""What was not read of a PDF's pages, or is unsure, as sentences that name the pages."""

from collections import defaultdict
from itertools import pairwise

import pypdf

_SENTENCES = {
    "picture": "On {pages} there is a picture and no text: run text recognition (OCR) on the file to have it read.",
    "recognised": "The text of {pages} comes from text recognition over a picture: letters may be wrong.",
    "hidden": "Invisible text on {pages} was left out.",
    "outside": "Text beside the edge of {pages} was left out.",
    "columns": "Text side by side on {pages} was read column by column: its order is uncertain.",
    "field": "The text of a form on {pages} was read from its fields.",
    "note": "Notes typed on {pages} were read.",
    "comment": "Comments on {pages} were left out.",
    "forms": "Drawings on {pages} are too many or too deep within each other: their text was left out in part.",
    "fonts": "Text on {pages} is in a font that the file does not have and was left out.",
    "broken": "Notes or fields on {pages} are damaged and were left out.",
}
_MOST_HEADS = 6


class PageWarnings:
    """Collects what each page has of each kind. `failures` are the errors of pages that could not be read."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.heads: list[str] = []
        self._failed: dict[str, list[int]] = defaultdict(list)
        self._noted: dict[str, list[int]] = defaultdict(list)
        self._fonts: dict[str, list[int]] = defaultdict(list)
        self._document: list[str] = []

    def note(self, kind: str, page: int) -> None:
        if page not in self._noted[kind][-1:]:
            self._noted[kind].append(page)

    def unreadable(self, font: str, page: int) -> None:
        """`font` has letters on `page` of which the file does not say what they are."""
        self._fonts[font].append(page)

    def failed(self, why: str, page: int, error: Exception) -> None:
        self._failed[why].append(page)
        self.failures.append(error)

    def about_document(self, reader: pypdf.PdfReader) -> None:
        """Note what a PDF has beside its pages."""
        form = reader.root_object.get("/AcroForm")
        if form is not None and "/XFA" in form.get_object():
            self._document.append("The file has an XFA form, of which only the printed pages were read.")
        names = reader.root_object.get("/Names")
        if names is not None and "/EmbeddedFiles" in names.get_object():
            self._document.append("The file has other files attached, which were not read.")

    def sentences(self) -> list[str]:
        """All of it, failed pages first."""
        told = [
            f"{_named(pages).capitalize()} {'is' if len(pages) == 1 else 'are'} {why}: left out."
            for why, pages in self._failed.items()
        ]
        told += [_SENTENCES[kind].format(pages=_named(pages)) for kind, pages in self._noted.items()]
        for font, pages in self._fonts.items():
            told.append(f"The font {font} on {_named(pages)} does not say what its letters are: some may be wrong.")
        if self.heads:
            shown = ", ".join(f'"{head}"' for head in self.heads[:_MOST_HEADS])
            more = ", ..." if len(self.heads) > _MOST_HEADS else ""
            told.append(f"Repeated at the edge of pages and left out of the text: {shown}{more} (# is a number).")
        return told + self._document


def _named(pages: list[int]) -> str:
    """`page 2`, `pages 2, 4-6`."""
    ranges: list[list[int]] = [[pages[0], pages[0]]]
    for before, page in pairwise(pages):
        if page == before + 1:
            ranges[-1][1] = page
        else:
            ranges.append([page, page])
    named = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
    return f"page{'s' if len(pages) > 1 else ''} {named}"
