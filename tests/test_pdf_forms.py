"""Values of forms and typed notes are text of a PDF; what else hangs on a page is named."""

import pytest
from pypdf.generic import (
    ArrayObject,
    NumberObject,
    TextStringObject,
)

from tests.pdf_files import File, dictionary, named, stream, text

pytestmark = pytest.mark.usefixtures("parsed_in_this_process")


def field(file, value, y, kind="Tx", **more):
    rect = (200, y - 5, 400, y + 13)
    return file.annotate(rect=rect, Subtype=named("Widget"), FT=named(kind), V=value, T=TextStringObject("x"), **more)


def test_values_of_a_form_stand_by_their_labels():
    file = File(text("Name:", "Amount asked:", "Paid:", "Married:", "Colours:", "Secret:"))
    field(file, TextStringObject("Marjorie Quill"), 720)
    field(file, TextStringObject("7,350 euros"), 704)
    field(file, named("Yes"), 688, "Btn", AS=named("Yes"))
    field(file, named("Off"), 672, "Btn", AS=named("Off"))
    field(file, ArrayObject(map(TextStringObject, ("red", "blue"))), 656, "Ch")
    field(file, TextStringObject("not shown"), 640, F=NumberObject(2))
    field(file, TextStringObject("Alone"), 300)
    document = file.read()
    assert document.text.split("\n") == [
        "Name: Marjorie Quill", "Amount asked: 7,350 euros", "Paid: [x]", "Married: [ ]", "Colours: red, blue",
        "Secret:", "", "Alone",
    ]  # fmt: skip
    assert document.warnings == ("The text of a form on page 1 was read from its fields.",)


def test_a_value_may_be_its_parents():
    file = File(text("Name:"))
    parent = file.writer._add_object(dictionary(FT=named("Tx"), V=TextStringObject("Ann")))
    assert file.annotate(Subtype=named("Widget"), Parent=parent).read().text == "Name: Ann"


def test_fields_show_what_is_chosen_and_no_password():
    file = File(text("Country:", "Code:", (95, 688, "Yes"), (195, 688, "No")))
    names = [[TextStringObject(part) for part in pair] for pair in (("DE", "Germany"), ("FR", "France"))]
    field(file, TextStringObject("DE"), 720, "Ch", Opt=ArrayObject(map(ArrayObject, names)))
    field(file, TextStringObject("swan"), 704, Ff=NumberObject(1 << 13))
    for x, state in ((75, "On"), (175, "Off")):
        box = {"Subtype": named("Widget"), "FT": named("Btn"), "AS": named(state)}
        file.annotate(rect=(x, 686, x + 12, 698), **box)
    assert file.read().text == "Country: Germany\nCode: ****\n[x] Yes\t[ ] No"


@pytest.mark.parametrize("kind", ["Stamp", "FreeText", "Widget", "Watermark"])
def test_letters_that_only_the_look_of_a_note_has_are_read(kind):
    file = File(text("A page."))
    look = stream("BT /F1 12 Tf 2 2 Td (DRAFT COPY) Tj ET", Subtype=named("Form"), Resources=file.resources)
    file.annotate(Subtype=named(kind), AP=dictionary(N=file.writer._add_object(look)))
    document = file.read()
    assert document.text == "A page. DRAFT COPY"
    assert "page 1" in document.warnings[0]


def test_a_broken_note_costs_itself_only():
    file = File(text("Name:"))
    field(file, TextStringObject("Ann"), 720)
    file.annotate(rect=(1, 2), Subtype=named("FreeText"), Contents=TextStringObject("x"))
    file.annotate(Subtype=named("Square"), Contents=TextStringObject("Ask Ann."))
    document = file.read()
    assert document.text == "Name: Ann"
    assert document.warnings[1:] == (
        "Notes or fields on page 1 are damaged and were left out.",
        "Comments on page 1 were left out.",
    )


def test_notes_are_read_and_comments_are_named():
    file = File(text("The meeting is on Monday."), text("Two."))
    file.annotate(
        rect=(72, 650, 300, 690), Subtype=named("FreeText"), Contents=TextStringObject("Moved to Thursday.")
    )
    file.annotate(1, Subtype=named("Text"), Contents=TextStringObject("Ask Ann."))
    document = file.read()
    assert document.text == "The meeting is on Monday.\n\nMoved to Thursday.\n\nTwo."
    assert document.warnings == ("Notes typed on page 1 were read.", "Comments on page 2 were left out.")


def test_forms_in_xfa_and_attached_files_are_named():
    file = File(text("Please wait."))
    file.writer.root_object[named("AcroForm")] = dictionary(XFA=TextStringObject("x"))
    file.writer.add_attachment("a.txt", b"inside")
    warnings = " ".join(file.read().warnings)
    assert "XFA" in warnings
    assert "attached" in warnings
