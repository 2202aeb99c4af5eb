"""What a person sees on the pages of a PDF is its text, and what was not read is named."""

import contextlib
import io
import re
import time
from pathlib import Path

import pypdf
import pytest
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from kveraser_core.documents import DamagedDocument, DocumentTooSlow, ScannedDocument, read_document
from kveraser_core.documents import document as documents
from kveraser_core.documents.bidi import as_read
from kveraser_core.documents.formats import parse
from kveraser_core.documents.pdf import pages as pdf_pages
from kveraser_core.documents.search.finding import find_text

CASES = Path(__file__).parents[2] / "shared" / "cases" / "documents"


@pytest.fixture(autouse=True)
def parsed_in_this_process(monkeypatch):
    monkeypatch.setattr(documents, "parse_in_child", parse)


def named(name):
    return NameObject(f"/{name}")


def dictionary(**entries):
    return DictionaryObject({NameObject(f"/{key}"): value for key, value in entries.items()})


def stream(data, **entries):
    made = DecodedStreamObject()
    made.update(dictionary(**entries))
    made.set_data(data.encode("latin-1"))
    return made


class File:
    """A PDF that is made page by page from content streams; `F1` is Helvetica, `F2` Courier, `Im1` a picture."""

    def __init__(self, *contents):
        self.writer = pypdf.PdfWriter()
        add = self.writer._add_object
        fonts = {
            "F1": add(dictionary(Type=named("Font"), Subtype=named("Type1"), BaseFont=named("Helvetica"))),
            "F2": add(
                dictionary(
                    Type=named("Font"), Subtype=named("Type1"), BaseFont=named("Courier"),
                    FontDescriptor=dictionary(Type=named("FontDescriptor"), Flags=NumberObject(33)),
                )
            ),
        }  # fmt: skip
        picture = stream(
            "\0", Subtype=named("Image"), Width=NumberObject(1), Height=NumberObject(1),
            ColorSpace=named("DeviceGray"), BitsPerComponent=NumberObject(8),
        )  # fmt: skip
        self.objects = dictionary(Im1=add(picture))
        self.resources = dictionary(Font=dictionary(**fonts), XObject=self.objects)
        for content in contents:
            page = self.writer.add_blank_page(612, 792)
            page[named("Contents")] = add(stream(content))
            page[named("Resources")] = self.resources

    def annotate(self, page=0, rect=(200, 715, 400, 735), **entries):
        place = ArrayObject(map(FloatObject, rect))
        made = self.writer._add_object(dictionary(Type=named("Annot"), Rect=place, **entries))
        kept = self.writer.pages[page]
        kept[named("Annots")] = ArrayObject([*kept.get("/Annots", []), made])
        return self

    def saved(self):
        buffer = io.BytesIO()
        self.writer.write(buffer)
        return buffer.getvalue()

    def read(self):
        return read_document(self.saved(), "a.pdf")


def text(*lines, x=72, y=720, leading=16, size=12, font="F1"):
    """The operators that show `lines` below each other, or each at the `(x, y)` before it."""
    shown = []
    for line in lines:
        if isinstance(line, tuple):
            x, y, line = line
        shown.append(f"/{font} {size} Tf 1 0 0 1 {x} {y} Tm ({line}) Tj")
        y -= leading
    return f"BT {' '.join(shown)} ET "


PARAGRAPH = [
    "The parties agree that the confi-",
    "dential settlement amount is 90,000",
    "dollars. It is paid in three parts, of",
    "which the first is due in May.",
]
JOINED = (
    "The parties agree that the confidential settlement amount is 90,000 dollars. "
    "It is paid in three parts, of which the first is due in May."
)


def test_lines_become_paragraphs_and_hyphens_are_undone():
    two = text(*PARAGRAPH) + text(*PARAGRAPH, y=720 - 16 * 5.5)
    assert File(two).read().text == f"{JOINED}\n\n{JOINED}"


def test_a_hyphen_stays_in_a_word_that_has_one():
    first = ["He lived in a well-known house at the end of the", "street, and this well-", "known house is for sale."]
    assert File(text(*first)).read().text.endswith("and this well-known house is for sale.")
    cut = [
        "One of them is a guest, and forty of us were there; the forty-",
        "one of us ate bread because it was be-",
        "cause",
    ]
    assert File(text(*cut)).read().text.endswith("the forty-one of us ate bread because it was because")
    assert "Anglo-Saxon" in File(text("It was written by an old Anglo-", "Saxon monk.")).read().text


def test_headings_items_and_short_lines_stay_lines():
    page = (
        text("Rules of the house", size=18, y=740)
        + text("1. Keep the door shut at all times of the day and", "night, also on holidays.", "2. Pay the rent.")
        + text("- apples", "- pears", y=600)
        + text("Marjorie Quill", "Harbour Road 5", "Larkmoor", y=500)
    )
    assert File(page).read().text == (
        "Rules of the house\n\n1. Keep the door shut at all times of the day and night, also on holidays.\n"
        "2. Pay the rent.\n\n- apples\n- pears\n\nMarjorie Quill\nHarbour Road 5\nLarkmoor"
    )


def test_an_indent_begins_a_paragraph():
    lines = [
        (72, 720, PARAGRAPH[1]),
        (72, 704, PARAGRAPH[3]),
        (90, 688, "The next begins here and goes"),
        (72, 672, "on."),
    ]
    assert "due in May.\nThe next begins here and goes on." in File(text(*lines)).read().text


def test_typewriter_text_keeps_its_lines():
    assert File(text("for line in lines that are quite long:", "print line", font="F2")).read().text == (
        "for line in lines that are quite long:\nprint line"
    )


def test_rows_of_a_table_keep_their_cells():
    rows = [("Article", "Price"), ("Oak door", "450"), ("Flat file", "31"), ("Chair", "99")]
    shown = [(x, 720 - 16 * at, cell) for at, row in enumerate(rows) for x, cell in zip((72, 250), row, strict=True)]
    document = File(text(*shown)).read()
    assert document.text == "Article\tPrice\nOak door\t450\nFlat file\t31\nChair\t99"
    assert document.warnings == ()


LEFT = ["The left column is about", "apples, which are grown in", "Larkmoor since 1911."]
RIGHT = ["The right column is about", "trains, which are run from", "Westbury since 1954."]


def test_columns_are_read_in_turn_however_they_are_drawn():
    by_column = text(*LEFT) + text(*RIGHT, x=330)
    by_row = text(
        *(
            (x, 720 - 16 * at, row[k])
            for at, row in enumerate(zip(LEFT, RIGHT, strict=True))
            for k, x in ((0, 72), (1, 330))
        )
    )
    said = "The left column is about apples, which are grown in Larkmoor since 1911.\n\nThe right column is about"
    for page, warnings in ((by_column, []), (by_row, ["page 1"])):
        document = File(page).read()
        assert document.text.startswith(said)
        assert [re.findall(r"page \d", warning)[0] for warning in document.warnings] == warnings


def test_a_column_that_stands_beside_a_heading_is_no_part_of_its_line():
    columns = text("Conduct", size=18, y=500) + text(
        "Each shop has two people", "trained in first aid.", x=330, y=497.5
    )
    assert File(columns).read().text == "Conduct\n\nEach shop has two people trained in first aid."
    columns = text("Each shop has two people.", "Open.") + text("Conduct", size=18, x=222, y=718)
    assert File(columns).read().text == "Each shop has two people. Open.\n\nConduct"


def test_gaps_are_spaces_and_kerning_is_not():
    page = "BT /F1 12 Tf 72 720 Td [(W) 80 (ater) -333 (runs) -20 (.)] TJ ET " + text(
        (150, 720, "So"), (169, 720, "it")
    )
    assert File(page).read().text == "Water runs. So it"


def test_raised_numbers_are_told_from_others():
    page = (
        "BT /F1 12 Tf 72 720 Td (10) Tj /F1 8 Tf 5 Ts (5) Tj /F1 12 Tf 0 Ts ( units, see) Tj /F1 8 Tf 5 Ts (12) Tj ET"
    )
    assert File(page).read().text == "10⁵ units, see¹²"


@pytest.mark.parametrize(
    ("parts", "read"),
    [
        ("10, 12.5 up, big", "10^12.5 big"),
        ("10, - up, 3 up, big", "10⁻³ big"),
        ("H, 2 down,O", "H₂O"),
        ("5, 1 up,/, 2 down, cups", "5¹/₂ cups"),
        ("e, x+1 up, is", "e^(x+1) is"),
        ("the 2, nd up, day", "the 2nd day"),
        ("where x, max down, is", "where x_max is"),
        ("x = 2, 10 up", "x = 2¹⁰"),
        ("2, 10 up", "2¹⁰"),
    ],
)
def test_letters_above_and_below_the_line_are_no_part_of_a_number(parts, read):
    shown = ""
    for part in parts.split(","):
        said, _, way = part.strip().partition(" ") if part[-3:] in (" up", "own") else (part, "", "")
        size, rise = {"up": (8, 5), "down": (8, -3), "": (12, 0)}[way]
        shown += f"/F1 {size} Tf {rise} Ts ({said}) Tj "
    assert File(f"BT 72 720 Td {shown} ET").read().text == read


def test_bold_letters_drawn_twice_are_read_once():
    assert File(text((72, 720, "Bold"), (72.3, 720, "Bold"), (110, 720, "plain"))).read().text == "Bold plain"


def test_a_word_drawn_later_stands_where_it_is():
    assert File(
        text((72, 720, "The fee is"), (149, 720, "euros."), (72, 704, "Next."), (131, 720, "31"))
    ).read().text == ("The fee is 31 euros.\nNext.")


def headed(number, *lines):
    return text("Larkmoor internal", y=760) + text(*lines, y=700) + text(f"Page {number}", y=40)


@pytest.mark.parametrize("pages", [2, 6])
def test_running_heads_and_page_numbers_are_left_out_and_named(pages):
    bodies = [f"The secret supplier number {at} of the" for at in range(pages - 1)] + ["company is Norvane Ltd."]
    document = File(*(headed(at, body) for at, body in enumerate(bodies, 1))).read()
    assert document.text == "\n\n".join(bodies)
    assert document.page_count == pages
    assert len(document.warnings) == 1
    assert '"Larkmoor internal", "Page #"' in document.warnings[0]
    passage = f"number {pages - 2} of the company is Norvane"
    assert len(find_text(document.text, passage)) == 1


def test_what_only_looks_like_a_head_stays():
    rows = [text("Total 12", y=720), text("Total 7", y=720), text("Total 31", y=720)]
    document = File(*(row + text("Other words.", y=500 - 30 * at) for at, row in enumerate(rows))).read()
    assert [f"Total {n}" in document.text for n in (12, 7, 31)] == [True] * 3  # its numbers do not count pages
    items = [
        text(f"Item {at} costs {31 * at} euros.", *["It is sold by weight."] * 8, leading=20) for at in range(1, 8)
    ]
    assert [f"Item {at} costs" in File(*items).read().text for at in range(1, 8)] == [True] * 7  # no room below it
    document = File(*(text("The same words.") for _ in range(3))).read()
    assert document.text.count("The same words.") == 3  # it is all that these pages have


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


@pytest.mark.parametrize(
    ("seen", "read"),
    [
        ("plain text", "plain text"),
        (
            "\u05dd\u05d9\u05dc\u05e7\u05e9 4500 \u05d0\u05d5\u05d4",
            "\u05d4\u05d5\u05d0 4500 \u05e9\u05e7\u05dc\u05d9\u05dd",
        ),
        (
            "\u05dd\u05d5\u05dc\u05e9 (abc 12) ,\u05d3\u05d5\u05d3",
            "\u05d3\u05d5\u05d3, (abc 12) \u05e9\u05dc\u05d5\u05dd",
        ),
        ("see \u05dd\u05d5\u05dc\u05e9 now", "see \u05e9\u05dc\u05d5\u05dd now"),
        ("12.50 \u05e8\u05d9\u05d7\u05de", "\u05de\u05d7\u05d9\u05e8 12.50"),
    ],
)  # written as codes, since an editor turns such lines around
def test_lines_that_run_to_the_left_are_read_as_they_are_meant(seen, read):
    assert as_read(seen) == read


EXPECTED = {
    "p01_ligature.pdf": ("The financial office inflates the flat fee.", None),
    "p02_hyphen.pdf": ("confidential settlement amount is 90,000 dollars", None),
    "p03_acroform.pdf": ("Name of applicant: Marjorie Quill\nAmount asked: 7,350 euros", "page 1"),
    "p04_freetext.pdf": ("Moved to Thursday at 9.", "page 1"),
    "p05_invisible.pdf": ("The tenant pays 800 euros.", "page 1"),
    "p06_two_columns_by_row.pdf": ("about apples, which are grown in Larkmoor since 1911.", "page 1"),
    "p08_unknown_filter.pdf": ("Page one is fine.\n\n\n\nPage three is fine.", "Page 2"),
    "p12_no_space_glyph.pdf": ("The contract ends in 1974.", None),
    "p12_no_tounicode.pdf": ("", "page 1"),
    "p13_hebrew_visual.pdf": ("שכר הדירה הוא 4500 שקלים", None),
    "p17_mixed_scan.pdf": ("Page one is typed.\n\n\n\nPage three is typed.", "page 2"),
    "p26_page_crossing_plain.pdf": ("The secret supplier of the\n\ncompany is Norvane Ltd.", None),
    "p28_big_drawing_90MB.pdf": ("Page one: the fee is 31 euros.\n\n\n\nPage three: the end.", "Page 2 is too large"),
    "p29_ligature_to_nul.pdf": ("Shut off the valve.", None),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_reported_situations(name):
    if not CASES.exists():
        pytest.skip("the documents of reported situations are not here")
    said, place = EXPECTED[name]
    document = read_document((CASES / name).read_bytes(), name)
    assert said in document.text
    assert "Say that the rent" not in document.text
    assert [place in warning for warning in document.warnings] == ([True] if place else [])
