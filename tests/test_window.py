"""What of a text without pages fits the model's window, by the tokenizer's own count."""

import pytest

from kveraser_core.documents import Document
from kveraser_core.sessions.session import DocumentSession
from kveraser_core.sessions.window import DocumentTooLong, fitting_part, room_for_document


@pytest.mark.parametrize(
    ("paragraph", "ends"),
    [
        ("The toll is thirty coins.\n\n", "coins."),
        ("The toll is thirty coins ", ("The", "toll", "is", "thirty", "coins")),
        ("收费三十枚铜币。", ""),
    ],
)
def test_the_first_part_fits_and_ends_where_the_text_does(llama, paragraph, ends):
    document = Document(paragraph * 600, "long.txt", warnings=("A picture was left out.",))
    with pytest.raises(DocumentTooLong):
        DocumentSession.load(llama, document)
    part = fitting_part(llama, document)
    assert document.text.startswith(part.text)
    assert part.text.endswith(ends)
    room = room_for_document(llama)
    assert room - 40 < len(llama.tokenize(part.text)[0]) <= room
    first, last = part.warnings
    assert first == "A picture was left out."
    assert last == (
        f"Only the first {len(part.text):,} of {len(document.text):,} characters were read: no more fits the model."
    )
    DocumentSession.load(llama, part)


def test_what_fits_stays_as_it_is(llama):
    document = Document("The toll is thirty coins.", "short.txt")
    assert fitting_part(llama, document) is document
