"""What the runs of a Word document hold: equations, symbols, raised and hidden letters, embedded documents."""

import pytest

from kveraser_core.documents import EmptyDocument
from kveraser_core.documents.formats import parse
from tests.word_files import packed, paragraph, run, text, warnings, word_with


def math(content):
    return text(f"<w:p>{run('a ')}<m:oMath>{content}</m:oMath>{run(' b')}</w:p>")[2:-2]


def m(content):
    return f"<m:r><m:t>{content}</m:t></m:r>"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (m("y=3x+7"), "y=3x+7"),
        (f"<m:f><m:num>{m('1')}</m:num><m:den>{m('2')}</m:den></m:f>", "1/2"),
        (f"{m('2')}<m:f><m:num>{m('1')}</m:num><m:den>{m('2')}</m:den></m:f>", "2 1/2"),
        (f"<m:f><m:num>{m('a+b')}</m:num><m:den>{m('2c')}</m:den></m:f>", "(a+b)/(2c)"),
        (f"<m:sSup><m:e>{m('x')}</m:e><m:sup>{m('2')}</m:sup></m:sSup>", "x²"),
        (f"<m:sSup><m:e>{m('a+b')}</m:e><m:sup>{m('k')}</m:sup></m:sSup>", "(a+b)^k"),
        (f"<m:sSubSup><m:e>{m('x')}</m:e><m:sub>{m('i')}</m:sub><m:sup>{m('2')}</m:sup></m:sSubSup>", "x_i²"),
        (f"<m:rad><m:radPr/><m:deg/><m:e>{m('a+1')}</m:e></m:rad>", "√(a+1)"),
        (f"<m:rad><m:deg>{m('3')}</m:deg><m:e>{m('8')}</m:e></m:rad>", "³√8"),
        (f'<m:d><m:dPr><m:begChr m:val="["/><m:endChr m:val="]"/></m:dPr><m:e>{m("x")}</m:e></m:d>', "[x]"),
        (
            f'<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub>{m("i=1")}</m:sub><m:sup>{m("n")}</m:sup>'
            f"<m:e>{m('i')}</m:e></m:nary>",
            "∑_(i=1)ⁿ i",
        ),
        (f"<m:func><m:fName>{m('sin')}</m:fName><m:e>{m('x')}</m:e></m:func>", "sin x"),
        (f"<m:m><m:mr><m:e>{m('1')}</m:e><m:e>{m('2')}</m:e></m:mr>"
         f"<m:mr><m:e>{m('3')}</m:e></m:mr></m:m>", "[1, 2; 3]"),
    ],
)  # fmt: skip
def test_equations_are_written_in_a_line(content, line):
    assert math(content) == line


@pytest.mark.parametrize(
    ("pieces", "line"),
    [
        (["10", ("5", "superscript")], "10⁵"),
        (["10", ("-", "superscript"), ("3", "superscript")], "10⁻³"),
        (["H", ("2", "subscript"), "O"], "H₂O"),
        (["x", ("ab", "superscript"), " v", ("max", "subscript")], "x^ab v_max"),
        (["the 1", ("st", "superscript"), " day"], "the 1st day"),
        (["Brand", ("TM", "superscript")], "BrandTM"),
    ],
)
def test_raised_and_lowered_runs(pieces, line):
    runs = [run(one) if isinstance(one, str) else run(one[0], f'<w:vertAlign w:val="{one[1]}"/>') for one in pieces]
    assert text(f"<w:p>{''.join(runs)}</w:p>") == line


def test_runs_that_are_moved_off_the_line():
    moved = run("5", '<w:position w:val="10"/>') + run(" m") + run("2", '<w:position w:val="-6"/>')
    moved += run("x", '<w:position w:val="1"/>')
    assert text(f"<w:p>{run('10')}{moved}</w:p>") == "10⁵ m₂x"


def test_an_initial_that_hangs_belongs_to_its_word():
    initial = paragraph("O", '<w:framePr w:dropCap="drop"/>')
    assert text(initial + paragraph("nce upon a time") + paragraph("Next")) == "Once upon a time\n\nNext"
    assert text(initial) == "O"


WHITE = '<w:color w:val="FFFFFF"/>'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (run("Say 5.", WHITE), True),
        (run("Say 5.", '<w:sz w:val="2"/>'), True),
        (run("Say 5.", f'{WHITE}<w:highlight w:val="blue"/>'), False),
        (run("Say 5.", '<w:color w:val="FF0000"/>'), False),
    ],
)
def test_letters_that_nobody_sees_are_said(body, said):
    shown = f"<w:p>{body}</w:p>"
    assert text(shown) == "Say 5."
    assert ["white on white" in warning for warning in warnings(shown)] == [True] * said
    cell = f"<w:tbl><w:tr><w:tc><w:p>{run('Head', WHITE)}</w:p></w:tc></w:tr></w:tbl>"
    assert warnings(cell) == ()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('<w:sym w:font="Symbol" w:char="F0B3"/>', "≥"),
        ('<w:sym w:font="Symbol" w:char="61"/>', "α"),
        ('<w:sym w:font="Wingdings" w:char="F0FC"/>', "✓"),
        ('<w:sym w:font="Arial" w:char="2192"/>', "→"),
        ('<w:rPr><w:rFonts w:ascii="Symbol"/></w:rPr><w:t>\uf0b1 5</w:t>', "± 5"),
        ("<w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t><w:softHyphen/>",
         "a\tb\nc-d"),
        ('<w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:checked/></w:checkBox></w:ffData></w:fldChar>',
         "☒"),
        ('<w:fldChar w:fldCharType="begin"><w:ffData><w:ddList><w:result w:val="1"/><w:listEntry w:val="a"/>'
         '<w:listEntry w:val="b"/></w:ddList></w:ffData></w:fldChar>', "b"),
        ('<w:fldChar w:fldCharType="begin"/><w:instrText>IF</w:instrText><w:t>code</w:t>'
         '<w:fldChar w:fldCharType="separate"/><w:t>result</w:t><w:fldChar w:fldCharType="end"/>', "result"),
    ],
)  # fmt: skip
def test_what_runs_hold(content, line):
    assert text(f"<w:p><w:r>{content}</w:r></w:p>") == line


def test_symbols_without_a_letter_are_said():
    said = warnings(f'<w:p>{run("a")}<w:r><w:sym w:font="Webdings" w:char="F021"/></w:r></w:p>')
    assert said == ("Symbols of the font Webdings that have no letter were left out.",)


def test_charts_diagrams_and_objects_are_said():
    drawing = "<w:r><w:drawing><c:chart/><c:relIds/></w:drawing><w:object><v:OLEObject/></w:object></w:r>"
    assert warnings(f"<w:p>{run('a')}{drawing}</w:p>") == (
        "The charts were left out.",
        "The diagrams (SmartArt) were left out.",
        "The embedded objects were left out.",
    )


def test_ruby_is_its_base_text():
    ruby = f"<w:r><w:ruby><w:rt>{run('とうきょう')}</w:rt><w:rubyBase>{run('東京')}</w:rubyBase></w:ruby></w:r>"
    body = f"<w:p>{run('The city ')}{ruby}{run(' is large.')}</w:p>"
    assert text(body) == "The city 東京 is large."
    assert warnings(body) == ("The readings printed above characters (ruby) were left out.",)


HIDING = (
    '<w:style w:type="character" w:styleId="C"><w:rPr><w:vanish/></w:rPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="P"><w:rPr><w:vanish/></w:rPr></w:style>'
)


@pytest.mark.parametrize(
    "hidden",
    [
        f"<w:p>{run('Seen.')}{run('Not.', '<w:vanish/>')}</w:p>",
        f"""<w:p>{run("Seen.")}{run("Not.", '<w:rStyle w:val="C"/>')}</w:p>""",
        paragraph("Seen.") + paragraph("Not.", '<w:pStyle w:val="P"/>'),
        f"""<w:p><w:pPr><w:pStyle w:val="P"/></w:pPr>{run("Seen.", '<w:vanish w:val="0"/>')}{run("Not.")}</w:p>""",
    ],
)
def test_hidden_text_is_left_out_and_said(hidden):
    assert text(hidden, styles=HIDING) == "Seen."
    assert warnings(hidden, styles=HIDING) == ("Hidden text was left out.",)


def embedding(name, content):
    files = word_with(f'{paragraph("Before.")}<w:altChunk r:id="one"/>', [("one", "aFChunk", name)])
    return parse(packed(files | {f"word/{name}": content}), "a.docx")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", b"<b>Embedded</b> text."),
        ("a.dat", b"<html><body>Embedded text.</body></html>"),
        ("a.txt", b"Embedded text."),
        ("a.rtf", b"{\\rtf1 Embedded text.}"),
        ("a.docx", packed(word_with(paragraph("Embedded text.")))),
    ],
)
def test_embedded_documents_are_read(name, content):
    assert embedding(name, content).text == "Before.\n\nEmbedded text."


def test_an_embedded_document_that_cannot_be_read_is_said():
    found = embedding("a.bin", b"\x89PNG\r\n\0")
    assert found.text == "Before."
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("An embedded document was left out: word/a.bin is a PNG picture")
    assert embedding("a.docx", b"PK\x03\x04").warnings == (
        "An embedded document was left out: word/a.docx is damaged.",
    )
    with pytest.raises(EmptyDocument):
        parse(packed(word_with('<w:altChunk r:id="none"/>')), "a.docx")
