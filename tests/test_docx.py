import docx
import pytest

from kveraser_core.documents import DamagedDocument, DocumentTooLarge, NotADocument
from kveraser_core.documents.formats import parse
from tests.hostile.docx_files import TYPES, archive, flagged
from tests.test_documents import saved, word
from tests.word_files import packed, paragraph, run, text, warnings, word_with


def test_headings_tables_and_lists_in_order():
    found = parse(word(), "a.docx")
    assert found.text == "Rules\n\nFirst paragraph.\n\na\tb\nc d\te\n\n- Item one"
    assert found.page_starts == (0,)
    assert found.warnings == ()


def test_archives_that_are_not_word_documents():
    with pytest.raises(NotADocument, match="ZIP archive"):
        parse(archive({"xl/workbook.xml": "<x/>"}), "a.docx")
    with pytest.raises(DamagedDocument):
        parse(archive({"word/document.xml": "<broken"}), "a.docx")
    with pytest.raises(NotADocument, match="an archive with a password"):
        parse(flagged(6, 1), "a.docx")


def test_a_zip_bomb_is_not_unpacked():
    data = archive({"[Content_Types].xml": TYPES, "word/document.xml": b" " * 64_000_001})
    assert len(data) < 100_000
    with pytest.raises(DocumentTooLarge, match=r"64,000,\d+ bytes and the limit is 64,000,000"):
        parse(data, "a.docx")


def test_parts_count_together_as_unpacked():
    long = f"<w:p>{' ' * 9_000_000}</w:p>" * 4
    files = word_with("<w:p/>", footnotes=long, comments=long)
    with pytest.raises(DocumentTooLarge, match="the limit is 64,000,000"):
        parse(packed(files), "a.docx")


def test_controls_links_and_accepted_changes():
    found = parse(
        packed(
            word_with(
                f"<w:sdt><w:sdtContent><w:p>{run('control')}</w:p></w:sdtContent></w:sdt>"
                f"<w:p>{run('kept ')}<w:ins>{run('added')}</w:ins>"
                "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
                f"<w:moveFrom>{run('moved')}</w:moveFrom><w:hyperlink>{run(' link')}</w:hyperlink></w:p>"
                f"<w:tbl><w:tr><w:trPr><w:del/></w:trPr><w:tc>{paragraph('gone')}</w:tc></w:tr></w:tbl>"
            )
        ),
        "a",
    )
    assert found.text == "control\n\nkept added link"
    assert found.warnings == ("Text deleted with tracked changes was left out.",)


def test_tables_in_tables_and_merged_cells():
    cell = "<w:tc>{}<w:p>{}</w:p></w:tc>"
    tall = '<w:tcPr><w:vMerge w:val="restart"/></w:tcPr>'
    merged = "<w:tcPr><w:vMerge/></w:tcPr>"
    inner = f"<w:tc><w:tbl><w:tr>{cell.format('', run('in'))}</w:tr></w:tbl><w:p/></w:tc>"
    first = f"<w:tr>{cell.format(tall, run('tall'))}{inner}</w:tr>"
    rest = f"<w:tr>{cell.format(merged, '')}{cell.format('', run('x'))}</w:tr>" * 2_000
    assert text(f"<w:tbl>{first}{rest}</w:tbl>") == "tall\tin" + "\n\tx" * 2_000


def test_word_files_with_macros_are_not_documents():
    types = TYPES.replace("openxmlformats-officedocument.wordprocessingml.document", "ms-word.document.macroEnabled")
    with pytest.raises(NotADocument, match="macros"):
        parse(archive({"[Content_Types].xml": types, "word/document.xml": "<x/>"}), "a.docx")


BOX = f"<w:txbxContent>{paragraph('Boxed.')}{paragraph('Twice.')}</w:txbxContent>"


@pytest.mark.parametrize(
    "drawing",
    [
        f"<w:drawing><a:graphic>{BOX}</a:graphic></w:drawing>",
        f"<w:pict><v:shape><v:textbox>{BOX}</v:textbox></v:shape></w:pict>",
        f"<mc:AlternateContent><mc:Choice><w:drawing>{BOX}</w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict>{BOX}</w:pict></mc:Fallback></mc:AlternateContent>",
        f"<w:drawing><mc:AlternateContent><mc:Choice/><mc:Fallback>{BOX}</mc:Fallback></mc:AlternateContent></w:drawing>",
    ],
)
def test_a_text_box_is_read_once_after_its_paragraph(drawing):
    body = f"<w:p>{run('Before ')}<w:r>{drawing}</w:r>{run('it.')}</w:p>{paragraph('After.')}"
    assert text(body) == "Before it.\n\nBoxed.\n\nTwice.\n\nAfter."


def note(kind, name, content, form=""):
    return f'<w:{kind} w:id="{name}" {form}><w:p><w:r><w:{kind}Ref/></w:r>{run(content)}</w:p></w:{kind}>'


def reference(kind, name):
    return f'<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:{kind}Reference w:id="{name}"/></w:r>'


def test_notes_are_numbered_in_order_and_stand_where_they_belong():
    separator = note("footnote", "-1", "no", 'w:type="separator"')
    body = (
        f"<w:p>{run('One')}{reference('footnote', 7)}{run(', two')}{reference('endnote', 1)}"
        f"{run(', three')}{reference('footnote', 3)}{reference('footnote', 99)}</w:p>"
        f"<w:tbl><w:tr><w:tc><w:p>{run('cell')}{reference('footnote', 4)}</w:p></w:tc></w:tr></w:tbl>"
        + paragraph("Last.")
    )
    footnotes = (
        separator + note("footnote", 3, "third") + note("footnote", 7, " first") + note("footnote", 4, "fourth")
    )
    assert text(body, footnotes=footnotes, endnotes=note("endnote", 1, "second")) == (
        "One[1], two[i], three[2]\n\n[1] first\n\n[2] third\n\ncell[3]\n\n[3] fourth\n\nLast.\n\n[i] second"
    )


def test_headers_and_footers_are_read_once_each():
    found = text(
        paragraph("Body."),
        header=paragraph("Top"),
        header2=paragraph("Top"),
        header3=paragraph("First page"),
        footer=paragraph("Page 1"),
        footer2=paragraph("7"),
    )
    assert found == "Top\n\nFirst page\n\nBody.\n\nPage 1"


def test_comments_are_said_to_be_left_out():
    assert warnings(paragraph("a"), comments="<w:comment/>") == ("The comment was left out.",)
    assert warnings(paragraph("a"), comments="<w:comment/>" * 2) == ("The 2 comments were left out.",)


def level(at, form="decimal", shown="%1.", start=1, more=""):
    return (
        f'<w:lvl w:ilvl="{at}"><w:start w:val="{start}"/><w:numFmt w:val="{form}"/>{more}'
        f'<w:lvlText w:val="{shown}"/></w:lvl>'
    )


def numbering(levels, nums='<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'):
    return f'<w:abstractNum w:abstractNumId="0">{levels}</w:abstractNum>{nums}'


def item(at=0, num=1):
    return paragraph("x", f'<w:numPr><w:ilvl w:val="{at}"/><w:numId w:val="{num}"/></w:numPr>')


def labels(items, levels, **more):
    return [
        line.removesuffix("x").strip()
        for line in text("".join(items), numbering=numbering(levels, **more)).split("\n\n")
    ]


@pytest.mark.parametrize(
    ("form", "start", "shown"),
    [
        ("decimal", 1, ["1.", "2."]),
        ("decimalZero", 9, ["09.", "10."]),
        ("lowerLetter", 26, ["z.", "aa."]),
        ("upperLetter", 28, ["BB.", "CC."]),
        ("lowerRoman", 3, ["iii.", "iv."]),
        ("upperRoman", 1999, ["MCMXCIX.", "MM."]),
        ("ordinal", 11, ["11th.", "12th."]),
        ("russianLower", 2, ["б.", "в."]),
        ("bullet", 1, ["-", "-"]),
        ("none", 1, [".", "."]),
        ("decimal", 0, ["0.", "1."]),
    ],
)
def test_forms_of_numbers(form, start, shown):
    assert labels([item(), item()], level(0, form, start=start)) == shown


def test_levels_count_within_those_above():
    levels = level(0, "upperRoman") + level(1, "decimal", "%1.%2") + level(2, "lowerLetter", "(%3)")
    order = [0, 1, 1, 2, 2, 1, 2, 0, 1]
    assert labels(map(item, order), levels) == ["I.", "I.1", "I.2", "(a)", "(b)", "I.3", "(a)", "II.", "II.1"]
    legal = levels.replace('"%1.%2"/>', '"%1.%2"/><w:isLgl/>')
    assert labels(map(item, [0, 0, 1]), legal) == ["I.", "II.", "2.1"]
    kept = level(0) + level(1, more='<w:lvlRestart w:val="0"/>', shown="%2)")
    assert labels(map(item, [0, 1, 0, 1]), kept) == ["1.", "1)", "2.", "2)"]


def test_lists_that_share_their_numbers_and_those_that_start_anew():
    nums = (
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
        '<w:num w:numId="2"><w:abstractNumId w:val="0"/></w:num>'
        '<w:num w:numId="3"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/>'
        "</w:lvlOverride></w:num>"
    )
    items = [item(), item(num=2), item(num=3), item(num=3), item(num=1), item(num=0)]
    assert labels(items, level(0), nums=nums) == ["1.", "2.", "5.", "6.", "7.", ""]


def test_styles_carry_numbers():
    styles = (
        '<w:style w:type="paragraph" w:styleId="H1"><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
        '<w:style w:type="paragraph" w:styleId="H2"><w:basedOn w:val="H1"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="loop"><w:basedOn w:val="loop"/></w:style>'
    )
    levels = level(0, more='<w:pStyle w:val="H1"/>') + level(1, shown="%1.%2", more='<w:pStyle w:val="H2"/>')
    body = "".join(paragraph("x", f'<w:pStyle w:val="{name}"/>') for name in ("H1", "H2", "H2", "H1", "H2", "loop"))
    found = text(body, styles=styles, numbering=numbering(levels))
    assert found.split("\n\n") == ["1. x", "1.1 x", "1.2 x", "2. x", "2.1 x", "x"]


def test_a_form_of_numbers_that_is_not_known_is_said():
    said = warnings(item(), numbering=numbering(level(0, "aiueo")))
    assert said == ("Numbers that Word shows in the form aiueo are shown in digits.",)


def test_strict_documents_are_read():
    files = word_with(paragraph("Strict.") + "<w:p><m:oMath><m:r><m:t>x</m:t></m:r></m:oMath></w:p>")
    for name, content in files.items():
        files[name] = (
            content.replace("http://schemas.openxmlformats.org/wordprocessingml/2006", "http://purl.oclc.org/ooxml/wordprocessingml")
            .replace("http://schemas.openxmlformats.org/officeDocument/2006", "http://purl.oclc.org/ooxml/officeDocument")
        )  # fmt: skip
    assert "purl" in files["word/document.xml"]
    assert parse(packed(files), "a").text == "Strict.\n\nx"


def test_a_document_made_by_python_docx():
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Header"
    for style in ("List Number", "List Number", "List Bullet"):
        document.add_paragraph("Item", style=style)
    assert parse(saved(document.save), "a").text == "Header\n\n1. Item\n\n2. Item\n\n- Item"
