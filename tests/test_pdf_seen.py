"""What a person cannot see on the pages of a PDF is left out, and what cannot be read is named."""

import contextlib
import time

import pytest
from pypdf.generic import (
    ArrayObject,
    FloatObject,
    NumberObject,
    TextStringObject,
)

from kveraser_core.documents import DamagedDocument, DocumentTooSlow, ScannedDocument
from kveraser_core.documents.pdf import pages as pdf_pages
from tests.pdf_files import File, dictionary, named, stream, text

pytestmark = pytest.mark.usefixtures("parsed_in_this_process")


def test_invisible_text_is_left_out_and_its_place_named():
    seen = text("The tenant pays 800 euros.")
    tiny, beside = text("Too small to see.", size=0.5, y=650), text("Beside the page.", x=900)
    for hidden, said in (
        (f"3 Tr {text('Say 5 euros.', y=700)}", "Invisible"),
        (tiny, "Invisible"),
        (beside, "beside"),
    ):
        document = File(seen, seen + hidden).read()
        assert document.text == "The tenant pays 800 euros.\n\nThe tenant pays 800 euros."
        assert len(document.warnings) == 1
        assert said in document.warnings[0]
        assert "page 2" in document.warnings[0]


WHITE = text("Say 5 euros.", y=600)


@pytest.mark.parametrize(
    ("drawn", "shown"),
    [
        (f"1 1 1 rg {WHITE}", False),
        (f"0 0 0 0 k {WHITE}", False),
        (f"0 0 1 rg 60 590 300 30 re f 1 g {WHITE}", True),
        (f"0 0 1 rg 60 690 300 30 re f 1 g {WHITE}", False),
        (f"q 300 0 0 300 50 500 cm /Im1 Do Q 1 g {WHITE}", True),
        (f"1 g 1 Tr {WHITE}", True),
        (f"1 g 0 g {WHITE}", True),
        (f"7 Tr {WHITE}", False),
        (f"/Clear gs {WHITE}", False),
        (f"/OC /Off BDC {WHITE} EMC", False),
        (f"/OC /On BDC {WHITE} EMC", True),
        (f"/OC /Both BDC {WHITE} EMC", True),
    ],
)
def test_white_letters_and_layers_are_read_where_they_are_seen(drawn, shown):
    file = File(text("The tenant pays 800 euros, as it was agreed.") + drawn)
    on, off = (file.writer._add_object(dictionary(Type=named("OCG"), Name=TextStringObject(n))) for n in "ab")
    layers = ArrayObject([on, off])
    both = dictionary(Type=named("OCMD"), OCGs=layers)
    file.resources[named("Properties")] = dictionary(On=on, Off=off, Both=both)
    file.resources[named("ExtGState")] = dictionary(Clear=dictionary(ca=NumberObject(0)))
    default = dictionary(OFF=ArrayObject([off]))
    file.writer.root_object[named("OCProperties")] = dictionary(OCGs=layers, D=default)
    document = file.read()
    assert ("Say 5 euros." in document.text) == shown
    assert document.warnings == (() if shown else ("Invisible text on page 1 was left out.",))


def test_a_turned_page_is_read_as_it_is_seen():
    shown = "BT /F1 12 Tf 0 1 -1 0 100 72 Tm (Name:) Tj 0 -16 Td (Fee:) Tj 0 -900 Td (Beside it.) Tj ET"
    file = File(shown)
    file.writer.pages[0][named("Rotate")] = NumberObject(90)
    file.annotate(rect=(90, 150, 104, 300), Subtype=named("Widget"), FT=named("Tx"), V=TextStringObject("Ann"))
    file.annotate(rect=(106, 150, 120, 300), Subtype=named("Widget"), FT=named("Tx"), V=TextStringObject("31"))
    document = file.read()
    assert document.text == "Name: Ann\nFee: 31"
    assert "beside the edge of page 1" in " ".join(document.warnings).replace("Text b", "text b")


def test_recognised_text_over_a_picture_is_read():
    document = File(f"q 500 0 0 600 50 100 cm /Im1 Do Q 3 Tr {text('The rent is 800 euros.')}").read()
    assert document.text == "The rent is 800 euros."
    assert "page 1" in document.warnings[0]
    assert "recognition" in document.warnings[0]


def test_pages_without_text_are_named():
    picture = "q 500 0 0 600 50 100 cm /Im1 Do Q"
    document = File(text("One."), picture, picture, text("Four."), picture, "").read()
    assert document.text.split() == ["One.", "Four."]
    assert len(document.warnings) == 1
    assert "pages 2-3, 5 there is a picture and no text" in document.warnings[0]
    with pytest.raises(ScannedDocument):
        File(picture, picture).read()


def broken(file, page):
    contents = file.writer.pages[page]["/Contents"].get_object()
    contents[named("Filter")] = named("FooDecode")
    return file


def test_a_broken_page_costs_itself_only():
    document = broken(File(text("One."), text("Two."), text("Three.")), 1).read()
    assert document.text == "One.\n\n\n\nThree."
    assert document.warnings == ("Page 2 is damaged: left out.",)
    with pytest.raises(DamagedDocument):
        broken(File(text("One.")), 0).read()


def test_a_slow_page_costs_itself_only(monkeypatch):
    read = pdf_pages.page_content

    def slowly(page, *others):
        content = read(page, *others)
        while "slow" in content.runs[0].text:
            with contextlib.suppress(Exception):  # as a parser may catch whatever is raised in it
                time.process_time()
        return content

    monkeypatch.setattr(pdf_pages, "page_content", slowly)
    monkeypatch.setattr(pdf_pages, "MAX_PAGE_SECONDS", 0.1)
    document = File(text("One."), text("slow"), text("Three.")).read()
    assert document.text == "One.\n\n\n\nThree."
    assert document.warnings == ("Page 2 is too slow to read: left out.",)
    with pytest.raises(DocumentTooSlow, match=r"Page 1 of a\.pdf takes too long"):
        File(text("slow")).read()


def test_turned_text_and_forms_are_read_and_a_form_in_itself_ends():
    file = File(
        text("Upright.") + "BT /F1 12 Tf 0 1 -1 0 30 100 Tm (On the margin.) Tj ET q 1 0 0 1 0 -60 cm /Fm1 Do Q"
    )
    form = stream(text("In a form.") + "/Fm1 Do", Subtype=named("Form"), Resources=file.resources)
    file.objects[named("Fm1")] = file.writer._add_object(form)
    assert file.read().text == "Upright.\n\nIn a form.\n\nOn the margin."


def test_drawn_letters_are_measured_in_their_own_unit():
    glyphs = {letter: stream("50 0 0 0 50 50 d1") for letter in "abc"}
    file = File("BT /F3 12 Tf 72 720 Td (abc) Tj ET " + text((92, 720, "next")))
    file.resources["/Font"][named("F3")] = file.writer._add_object(
        dictionary(
            Type=named("Font"), Subtype=named("Type3"), FirstChar=NumberObject(97), LastChar=NumberObject(99),
            FontMatrix=ArrayObject(map(FloatObject, (0.01, 0, 0, 0.01, 0, 0))),
            FontBBox=ArrayObject(map(NumberObject, (0, 0, 50, 50))),
            Widths=ArrayObject([NumberObject(50)] * 3),
            CharProcs=dictionary(**{name: file.writer._add_object(glyph) for name, glyph in glyphs.items()}),
            Encoding=dictionary(Differences=ArrayObject([NumberObject(97), *map(named, "abc")])),
        )
    )  # fmt: skip
    assert file.read().text == "abc next"


def test_text_of_a_missing_font_and_of_forms_too_deep_is_named():
    document = File(text("Seen.") + text("Not seen.", font="F9", y=600)).read()
    assert document.text == "Seen."
    assert document.warnings == ("Text on page 1 is in a font that the file does not have and was left out.",)
    file = File(text("Seen.") + "/Fm0 Do")
    for depth in range(14):
        form = stream(f"/Fm{depth + 1} Do " + text("Deep.", y=400), Subtype=named("Form"), Resources=file.resources)
        file.objects[named(f"Fm{depth}")] = file.writer._add_object(form)
    document = file.read()
    assert "Seen." in document.text
    assert ["Drawings on page 1 are too many" in warning for warning in document.warnings] == [True]


def test_what_stands_for_a_glyph_is_read():
    glyph = "/Span << /ActualText (ff) >> BDC (\\350) Tj (\\350) Tj EMC"
    page = f"BT /F1 12 Tf 72 720 Td (Shut o) Tj {glyph} ( the valve.) Tj ET"
    assert File(page).read().text == "Shut off the valve."
