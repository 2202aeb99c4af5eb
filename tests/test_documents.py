import io

import docx
import pypdf
import pytest
from docx.shared import Pt
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from kveraser_core.documents import (
    DamagedDocument,
    Document,
    DocumentError,
    DocumentNeedsMemory,
    DocumentTooLarge,
    EmptyDocument,
    EncryptedDocument,
    NotADocument,
    PageRangeError,
    ScannedDocument,
    load_document,
    read_document,
)
from kveraser_core.documents import document as documents
from kveraser_core.documents import formats as document_formats
from kveraser_core.documents.pdf import pages as document_pdf


@pytest.fixture(autouse=True)
def parsed_in_this_process(monkeypatch):
    """A process for every file here would take minutes; test_document_limits.py goes through it."""
    monkeypatch.setattr(documents, "parse_in_child", document_formats.parse)


def pdf(*pages, password=None):
    """A PDF with the given lines of text on each page, built with pypdf."""
    writer = pypdf.PdfWriter()
    font = DictionaryObject(
        {NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1"),
         NameObject("/BaseFont"): NameObject("/Helvetica")}
    )  # fmt: skip
    for lines in pages:
        page = writer.add_blank_page(612, 792)
        shown = "".join(f"({line}) Tj 0 -20 Td " for line in lines)
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 72 720 Td {shown}ET".encode() if lines else b"")
        page[NameObject("/Contents")] = writer._add_object(stream)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): writer._add_object(font)})}
        )
    if password is not None:
        writer.encrypt(password, "owner", algorithm="AES-256")
    return saved(writer.write)


def saved(write):
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def word():
    document = docx.Document()
    document.add_heading("Rules", 1)
    document.add_paragraph("First paragraph.").runs[0].font.size = Pt(9)
    table = document.add_table(2, 2)
    for cell, text in zip((c for row in table.rows for c in row.cells), ("a", "b", "c d", "e"), strict=True):
        cell.text = text
    document.add_paragraph("Item one", style="List Bullet")
    return saved(document.save)


def test_pdf_pages_begin_where_they_say():
    document = read_document(pdf(["Page one", "Line two"], ["Page two"], ["Page three"]), "a.pdf")
    assert document.text == "Page one\nLine two\n\nPage two\n\nPage three"
    assert [document.text[at:].split("\n")[0] for at in document.page_starts] == [
        "Page one",
        "Page two",
        "Page three",
    ]


def test_a_range_of_pages_is_a_document_of_its_own():
    document = read_document(pdf(["one"], ["two"], ["three"]), "a.pdf").pages(2, 3)
    assert document == Document("two\n\nthree", "a.pdf", (0, 5))
    with pytest.raises(PageRangeError, match="has 2"):
        document.pages(2, 3)
    with pytest.raises(PageRangeError):
        document.pages(0, 1)


def test_pages_without_text_keep_their_place():
    document = read_document(pdf(["one"], [], ["three"], []), "a.pdf")
    assert document == Document("one\n\n\n\nthree\n\n", "a.pdf", (0, 5, 7, 14))
    part = document.pages(3, 4)
    assert part == Document("three\n\n", "a.pdf", (0, 7))
    assert document.pages(1, 4) == document
    with pytest.raises(EmptyDocument, match="Pages 2-2"):
        document.pages(2, 2)


def test_want_of_memory_is_not_a_broken_page(monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(document_pdf, "page_content", fail)
    with pytest.raises(DocumentNeedsMemory, match=r"a\.pdf needs too much memory"):
        read_document(pdf(["x"]), "a.pdf")


def test_a_pdf_is_left_at_the_page_that_is_too_much(monkeypatch):
    monkeypatch.setattr(document_formats, "MAX_CHARACTERS", 7)
    with pytest.raises(DocumentTooLarge, match="8 characters by page 2 and the limit is 7"):
        read_document(pdf(["one"], ["two"], ["three"]), "a.pdf")


HTML = """<!DOCTYPE html><html><head><title>No</title><style>p{}</style></head><body>
<h1>Head&nbsp;line</h1><!-- hidden --><script>alert(1)</script>
<p>One <b>bold</b>
word &amp; more.<img src="http://example.invalid/x.png"></p>
<ul><li>first</li><li>second</li></ul>
<table><tr><td>a</td><td><table><tr><td>in</td></tr></table></td></tr></table>
<pre>  kept
    so</pre>
<p>&lt;script&gt; as text</p></body></html>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_in_unicode_encodings(encoding):
    text = "Grüße, 世界 👋\n\n# Überschrift"
    assert read_document(text.encode(encoding), "a.txt").text == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Der Müller läßt die Straße für die nächsten Tage öffnen. " * 4),
        ("gb18030", "今天的会议讨论了退款政策。员工必须在三十天之内提交申请，逾期不予受理。" * 4),
        ("shift_jis", "これは古い規則です。払い戻しは十四日以内に申請してください。" * 4),
        ("cp1252", "naïve"),
        ("cp1252", "Le café était fermé, à côté de la rivière."),
        ("gb18030", "今天的会议"),
        ("big5", "今天的會議討論了退款政策。員工必須在三十天之內提交申請"),
        ("euc-jp", "これは古い規則です。払い戻しは十四日以内に"),
        ("euc-kr", "오늘 회의에서는 환불 정책에 대해 논의했습니다."),
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
        ("koi8-r", "Это старое правило: возврат возможен"),
        ("koi8-r", "Это старое правило: возврат возможен в течение четырнадцати дней. " * 4),
    ],
)
def test_text_in_older_encodings(encoding, text):
    assert read_document(text.encode(encoding), "a.txt").text == text


def test_utf8_that_breaks_off_stays_utf8():
    assert read_document("Grüße an die Welt, 世界".encode()[:-1], "a.txt").text == "Grüße an die Welt, 世\ufffd"


def test_only_carriage_returns_are_normalised():
    assert read_document("a\u2028b\x0bc\x0cd\x85e".encode(), "a.txt").text == "a\u2028b\x0bc\x0cd\x85e"


def test_newlines_become_one_kind_once():
    assert read_document(b"a\r\nb\rc\nd\r\n\r\ne", "a.txt").text == "a\nb\nc\nd\n\ne"


def test_content_decides_not_the_name():
    assert read_document(pdf(["inside"]), "a.txt").text == "inside"
    assert read_document(b"just text", "a.pdf").text == "just text"
    note = b"# Note\n\nA PDF starts with %PDF-1.7 and a program with MZ."
    assert read_document(note, "a.md").text == note.decode()
    assert read_document(b"MZ is how a program starts", "a.txt").page_count == 1
    assert read_document(b"junk\n" + pdf(["inside"]), "a.bin").text == "inside"
    assert read_document(b"# Title\n\n<b>as it is</b>", "a.html").text == "# Title\n\n<b>as it is</b>"


def test_an_encrypted_pdf_asks_for_its_password():
    data = pdf(["secret"], password="open sesame")
    with pytest.raises(EncryptedDocument, match="A password is needed"):
        read_document(data, "a.pdf")
    with pytest.raises(EncryptedDocument, match="That is not the password"):
        read_document(data, "a.pdf", password="wrong")
    assert read_document(data, "a.pdf", password="open sesame").text == "secret"
    assert read_document(pdf(["free"], password=""), "a.pdf").text == "free"
    assert read_document(pdf(["free"], password=""), "a.pdf", password="needless").text == "free"


def test_a_scanned_pdf_needs_recognition():
    with pytest.raises(ScannedDocument, match="OCR"):
        read_document(pdf([], []), "a.pdf")


@pytest.mark.parametrize("data", [b"", b" \n\t ", b"<html><body><script>x</script></body></html>"])
def test_nothing_to_read(data):
    with pytest.raises(EmptyDocument, match="no text"):
        read_document(data, "a")


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_file_that_breaks_off_is_damaged(keep):
    for data in (word(), pdf(["one"], ["two"])):
        with pytest.raises(DamagedDocument, match="damaged"):
            read_document(data[: int(len(data) * keep)], "a")


def test_utf16_that_breaks_off_is_damaged():
    with pytest.raises(DamagedDocument, match="damaged"):
        read_document("abc".encode("utf-16") + b"x", "a.txt")


def test_hostile_pdfs_end_in_a_sentence():
    loop = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[2 0 R]/Count 9>>endobj\n"
    for data in (b"%PDF-1.7\n%%EOF", loop + b"trailer<</Root 1 0 R>>\n%%EOF", b"%PDF-" + b"\xff" * 400):
        with pytest.raises(DocumentError):
            read_document(data, "a.pdf")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "PNG picture"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 50, "JPEG picture"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as DOCX or PDF"),
        (b"II*\0" + b"\0" * 50, "TIFF picture"),
        (b"MZ\x90\0" + b"\0" * 50, "program"),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "Office file with a password"),
        ("a\0\0\0b".encode("utf-16"), "not a document"),
        (b"\x7fELF\x02\x01", "program"),
        (bytes(range(256)) * 20, "not a document"),
        (bytes([1, 2, 3, 65]) * 90, "not a document"),
    ],
)
def test_other_kinds_of_files_are_named(data, kind):
    with pytest.raises(NotADocument, match=kind):
        read_document(data, "a.txt")


def test_limits_give_both_numbers(monkeypatch, tmp_path):
    monkeypatch.setattr(document_formats, "MAX_CHARACTERS", 10)
    with pytest.raises(DocumentTooLarge, match="11 characters and the limit is 10"):
        read_document(b"x" * 11, "a.txt")
    monkeypatch.setattr(documents, "MAX_BYTES", 5)
    file = tmp_path / "big.txt"
    file.write_bytes(b"123456")
    for read in (lambda: load_document(file), lambda: read_document(b"123456", "big.txt")):
        with pytest.raises(DocumentTooLarge, match="6 bytes and the limit is 5"):
            read()
    monkeypatch.setattr(document_pdf, "MAX_PAGES", 1)
    monkeypatch.setattr(documents, "MAX_BYTES", 10**6)
    with pytest.raises(DocumentTooLarge, match="2 pages and the limit is 1"):
        read_document(pdf(["a"], ["b"]), "a.pdf")


def test_files_are_loaded_by_path(tmp_path):
    file = tmp_path / "note.md"
    file.write_text("# Note", encoding="utf-8")
    assert load_document(file) == Document("# Note", "note.md", (0,))
    with pytest.raises(DocumentError, match="does not exist"):
        load_document(tmp_path / "absent.txt")
    with pytest.raises(DocumentError, match="is a folder"):
        load_document(tmp_path)
    with pytest.raises(DocumentError, match="not an ordinary file"):
        load_document("/dev/zero")
    with pytest.raises(DocumentError, match="cannot be read"):
        load_document("a\0b")
