"""Every file of the collection of cases gives what its line there says, as far as this package reads it.

The PDFs and what is searched in a text have tests of their own.
"""

from pathlib import Path

import pytest

from kveraser_core.documents import document as documents
from kveraser_core.documents import formats, load_document, read_document

CASES = Path(__file__).parents[2] / "shared/cases/documents"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the collection of cases is not beside this checkout")


@pytest.fixture(autouse=True)
def parsed_in_this_process(monkeypatch):
    monkeypatch.setattr(documents, "parse_in_child", formats.parse)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t06_zero_width.txt", "The password of the safe is swan. Normal text.\n"),
        ("d01_textbox.docx", "Before the box.\n\nThe deposit is 1,200 euros.\n\nAfter the box."),
        ("d02_header_footer.docx", "Invoice 2024-881, Norvane Ltd\n\nDear customer, your order is on its way."),
        (
            "d03_footnote.docx",
            "The warranty lasts two years[1].\n\n[1] Batteries are excluded and have six months.",
        ),
        (
            "d05_numbering.docx",
            "1. Definitions apply.\n\n2. Rent is due monthly.\n\n3. As clause 2 says, rent is due.",
        ),
        ("d06_math.docx", "The yield is y=3x+7 per hectare."),
        ("d10_strict.docx", "A strict document says hello."),
        ("d16_ruby.docx", "The city 東京 is large."),
        ("d19_altchunk.docx", "Report\n\nThe total is 88."),
        ("h01_meta_first.html", "The oak door costs 450 euros."),
        ("h03_super.html", "The dose is 10⁵ units² of H₂O."),
        ("h06_lists.html", "1. Mix flour.\n2. Add water.\n\ne. Bake."),
        ("h12_page.mhtml", "Die Tür kostet 450 Euro."),
        ("h20_label_x-sjis.html", "家賃は八万円です。"),
        ("t01_utf16le_nobom.txt", "The meeting is at nine in the blue room.\n"),
        ("t25_rtf_leading_newline.rtf", "The fee is 31 euros."),
    ],
)
def test_text_of(name, text):
    assert load_document(CASES / name).text == text


@pytest.mark.parametrize(
    ("name", "text"), [("d09_hidden.docx", "Visible sentence."), ("h02_hidden.html", "The rent is 800 euros.")]
)
def test_hidden_text_of(name, text):
    document = load_document(CASES / name)
    assert document.text == text
    assert document.warnings == ("Hidden text was left out.",)


def test_zeros_in_a_log():
    data = (CASES / "t02_nul_in_log.log").read_bytes()
    assert load_document(CASES / "t02_nul_in_log.log").text == data.replace(b"\0", b"").decode()


def test_prose_about_pdf():
    file = CASES / "t19_about_pdf.md"
    assert load_document(file).text == file.read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("e_polish_iso8859-2.txt", "iso8859-2"), ("e_thai_cp874.txt", "cp874"), ("e_arabic_cp1256.txt", "cp1256")],
)
def test_an_older_encoding(name, encoding):
    data = (CASES / name).read_bytes()
    guessed, given = read_document(data, name), read_document(data, name, encoding=encoding)
    assert guessed.text == given.text == data.decode(encoding)
    assert f"guessed as {encoding}" in guessed.warnings[0]
    assert given.warnings == ()
