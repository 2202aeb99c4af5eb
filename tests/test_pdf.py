"""What a person sees on the pages of a PDF is its text, in the order of reading."""

import re
from pathlib import Path

import pytest

from kveraser_core.documents import read_document
from kveraser_core.documents.bidi import as_read
from kveraser_core.documents.search.finding import find_text
from tests.pdf_files import File, text

pytestmark = pytest.mark.usefixtures("parsed_in_this_process")

CASES = Path(__file__).parents[2] / "shared" / "cases" / "documents"


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


def test_high_rows_of_a_table_stay_together_and_apart_from_the_text():
    rows = [("Oak door", "450"), ("Flat file", "31"), ("Chair", "99")]
    prose = [(72, 752, PARAGRAPH[1]), (72, 736, PARAGRAPH[3])]
    shown = [(x, 700 - 26 * at, cell) for at, row in enumerate(rows) for x, cell in zip((72, 250), row, strict=True)]
    below = [(72, 610, PARAGRAPH[1]), (72, 594, PARAGRAPH[3])]
    found = File(text(*prose, *shown, *below)).read().text.split("\n\n")
    assert found[1] == "Oak door\t450\nFlat file\t31\nChair\t99"
    assert len(found) == 3


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
