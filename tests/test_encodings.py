"""Text files as people have them: in any encoding, with zeros and with characters that nobody sees."""

import pytest

from kveraser_core.documents import DocumentError, NotADocument, read_document
from kveraser_core.documents import document as documents
from kveraser_core.documents import formats as document_formats
from kveraser_core.documents.encoding.labels import codec_named

POLISH = "Czynsz za mieszkanie wynosi osiemset złotych miesięcznie. Najemca spóźni się z zapłatą. "
GREEK = "Αυτός είναι ο παλιός κανόνας: η επιστροφή είναι δυνατή. "


@pytest.fixture(autouse=True)
def parsed_in_this_process(monkeypatch):
    monkeypatch.setattr(documents, "parse_in_child", document_formats.parse)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    "text",
    ["The meeting is at nine.\n", POLISH, GREEK + "\n", "Это старое правило.\n", "今天的会议 讨论了\n退款政策。"],
)
def test_wide_text_without_a_mark(encoding, text):
    document = read_document(text.encode(encoding), "a.txt")
    assert document.text == text
    assert document.warnings == ()


def test_a_page_in_wide_text_without_a_mark():
    assert read_document("<html><p>Grüße".encode("utf-16-le"), "a.html").text == "Grüße"


def test_a_few_zeros_in_a_log_are_dropped():
    data = b"2024-01-01 start\n\0\0\0\0\n2024-01-02 stop\n" * 9
    document = read_document(data, "a.log")
    assert document.text == data.decode().replace("\0", "")
    assert document.warnings == ("The file has 36 NUL characters among its text, which were left out.",)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp874", "ค่าเช่าห้องเดือนละแปดพันบาท ชำระภายในวันที่สิบของทุกเดือน"),
        ("cp1256", "إيجار الشقة ثمانية آلاف في الشهر ويدفع حتى اليوم العاشر من كل شهر."),
        ("cp1255", "זהו הכלל הישן: ההחזר אפשרי תוך ארבעה עשר ימים."),
        ("iso8859-2", POLISH * 3),
        ("cp1250", POLISH * 3),
        ("cp1253", GREEK * 3),
        ("koi8-u", "Це старе правило: повернення можливе протягом чотирнадцяти днів. Її їжак є."),
        ("mac-roman", "Der Müller läßt die Straße für die nächsten Tage öffnen. " * 3),
    ],
)
def test_a_guess_is_right_and_says_that_it_is_one(encoding, text):
    document = read_document(text.encode(encoding), "a.txt")
    assert document.text == text
    assert len(document.warnings) == 1
    assert "it was guessed as" in document.warnings[0]
    assert "--encoding" in document.warnings[0]


@pytest.mark.parametrize(("encoding", "text"), [("iso2022_jp", "家賃は八百ユーロです。"), ("iso2022_kr", "임대료")])
def test_shifts_in_seven_bits_need_no_guess(encoding, text):
    document = read_document(text.encode(encoding), "a.txt")
    assert document.text == text
    assert document.warnings == ()


def test_utf8_needs_no_guess():
    assert read_document(POLISH.encode(), "a.txt").warnings == ()


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("x-sjis", "cp932"),
        ("windows-31j", "cp932"),
        ("utf8", "utf-8"),
        ("latin1", "cp1252"),
        ("iso-8859-1", "cp1252"),
        ("tis-620", "cp874"),
        ("x-mac-cyrillic", "mac-cyrillic"),
        ("gb2312", "gb18030"),
        ("ks_c_5601-1987", "cp949"),
        ("cp850", "cp850"),
        ("rot13", None),
        ("idna", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_labels_mean_what_browsers_take_them_for(label, codec):
    assert codec_named(label) == codec


def test_an_encoding_asked_for_is_taken():
    for name in ("cp850", "CP850", "ibm850"):
        assert read_document("Äpfel für Jörg".encode("cp850"), "a.txt", encoding=name).text == "Äpfel für Jörg"
    page = '<html><meta charset="utf-8"><p>Привет'.encode("koi8-r")
    assert read_document(page, "a.html", encoding="koi8-r").text == "Привет"
    document = read_document(b"caf\x81", "a.txt", encoding="cp1252")
    assert document.text == "caf\ufffd"
    assert document.warnings == ("The file has 1 characters that are none in cp1252; each is shown as \ufffd.",)


@pytest.mark.parametrize("data", [b"text", b"%PDF-1.7", b"<html>a"])
def test_an_encoding_that_does_not_exist_is_said_so(data):
    with pytest.raises(DocumentError, match="There is no encoding called 'klingon': give one such as utf-8"):
        read_document(data, "a.txt", encoding="klingon")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("pass\u200bword sa\u00adfe swan\u200d. Nor\ufeffmal", "password safe swan. Normal"),
        ("a\u202eb\u2066c\u2060d\u00ade\U000e0041\U000e0042f", "abcdef"),
        ("می\u200cخواهم क्\u200dष", "می\u200cخواهم क्\u200dष"),
        ("👩\u200d👧 ❤\ufe0f\u200d🔥 1\ufe0f\u20e3", "👩\u200d👧 ❤\ufe0f\u200d🔥 1\ufe0f\u20e3"),
        ("🏴\U000e0067\U000e0062\U000e007f a\ufe0f", "🏴\U000e0067\U000e0062\U000e007f a"),
        ("👩\u200d a\u200cb", "👩 ab"),
        ("Ga\u0308rtner", "Ga\u0308rtner"),
    ],
)
def test_what_nobody_sees_is_no_text(text, seen):
    assert read_document(text.encode(), "a.txt").text == seen
    assert read_document(f"<html><p>{text}".encode(), "a.html").text == seen


ABOUT_PDF = """# How PDF files begin

%PDF-1.7
1 0 obj
endobj

It ends with `startxref` and %%EOF, as a rule.
"""


@pytest.mark.parametrize(
    "text", [ABOUT_PDF, "A file opens with `%PDF-1.7`, then 1 0 obj, startxref, and ends with\n%%EOF"]
)
def test_prose_about_pdf_is_prose(text):
    assert read_document(text.encode(), "a.md").text == text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%!PS-Adobe-3.0\n\0", "a PostScript file"),
        (b"\xd0\xcf\x11\xe0" + "WordDocument".encode("utf-16-le"), "an old Word file"),
        (b"\xd0\xcf\x11\xe0" + "Workbook".encode("utf-16-le"), "an old Excel file"),
        (b"\xd0\xcf\x11\xe0" + "__substg1.0_".encode("utf-16-le"), "an Outlook message"),
        (b"\0\0\0\x18ftypmp42", "a film, sound or picture"),
        (bytes(60) + b"BOOKMOBI", "a Kindle book"),
        (b"PK\x05\x06" + bytes(18), "an empty ZIP archive"),
    ],
)
def test_kinds_that_are_not_read_are_named(data, said):
    with pytest.raises(NotADocument, match=said):
        read_document(data, "a")
