"""EPUB, OpenDocument, PowerPoint and Excel."""

import datetime

import openpyxl
import pytest

from kveraser_core.documents import DocumentTooLarge, NotADocument
from kveraser_core.documents.formats import parse
from tests import package_files as files
from tests.hostile.docx_files import archive
from tests.test_documents import saved


def test_a_book_is_read_in_the_order_of_its_spine():
    found = parse(files.epub(second="<p>Two.</p>", first="<h1>One</h1><p hidden>no</p>"), "a.epub")
    assert found.text == "One\n\nTwo."
    assert found.warnings == ("In the chapter OPS/first ch.xhtml: Hidden text was left out.",)


def test_a_book_with_a_chapter_that_is_missing_or_protected():
    parts = files.epub_parts(second="<p>Two.</p>", first="<p>One.</p>")
    without = {name: content for name, content in parts.items() if "second" not in name}
    found = parse(archive(without), "a.epub")
    assert found.text == "One."
    assert found.warnings == ("The chapter second.xhtml is not in the file and was left out.",)
    parts["META-INF/encryption.xml"] = '<encryption><CipherReference URI="OPS/second.xhtml"/></encryption>'
    with pytest.raises(NotADocument, match="DRM"):
        parse(archive(parts), "a.epub")


def odt(body, **more):
    return parse(files.odt(body, **more), "a.odt")


NUMBERED = (
    '<text:list-style style:name="L"><text:list-level-style-number text:level="1" style:num-format="1" '
    'style:num-suffix="."/><text:list-level-style-number text:level="2" style:num-format="a" style:num-suffix=")" '
    'text:start-value="3"/></text:list-style>'
)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<text:h>Title</text:h><text:p>One <text:span>bold</text:span> word.</text:p>", "Title\n\nOne bold word."),
        ("<text:p>a<text:tab/>b<text:s text:c='2'/>c<text:line-break/>d</text:p>", "a\tb  c\nd"),
        ("<text:p>10<text:span text:style-name='up'>5</text:span> H<text:span text:style-name='low'>2</text:span>O"
         "</text:p>",
         "10⁵ H₂O"),
        ("<text:list text:style-name='L'><text:list-item><text:p>x</text:p><text:list><text:list-item><text:p>y"
         "</text:p></text:list-item></text:list></text:list-item><text:list-item><text:p>z</text:p></text:list-item>"
         "</text:list>",
         "1. x\n\nc) y\n\n2. z"),
        ("<text:list><text:list-item><text:p>x</text:p></text:list-item></text:list>", "- x"),
        ("<text:list text:style-name='L'><text:list-item><text:list><text:list-item><text:p>y</text:p>"
         "</text:list-item></text:list></text:list-item></text:list>", "c) y"),
        ("<text:p>One<text:note text:note-class='footnote'><text:note-citation>1</text:note-citation><text:note-body>"
         "<text:p>The note.</text:p></text:note-body></text:note>.</text:p><text:p>Two.</text:p>",
         "One[1].\n\n[1] The note.\n\nTwo."),
        ("<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell>"
         "<text:p>b</text:p><text:p>c</text:p></table:table-cell></table:table-row></table:table>", "a\tb c"),
        ("<text:p>Before <draw:frame><draw:text-box><text:p>In the box.</text:p></draw:text-box></draw:frame>"
         "it.</text:p>",
         "Before it.\n\nIn the box."),
        ("<text:section><text:p>In a section.</text:p></text:section>", "In a section."),
    ],
)  # fmt: skip
def test_opendocument(body, text):
    assert odt(body, automatic=NUMBERED).text == text


def test_what_opendocument_hides_or_keeps_beside():
    found = odt(
        "<text:tracked-changes><text:deletion><text:p>gone</text:p></text:deletion></text:tracked-changes>"
        "<text:p>Seen.<text:span text:style-name='none'>hidden</text:span><office:annotation><text:p>why</text:p>"
        "</office:annotation></text:p>",
        header="<text:p>Top</text:p>",
    )
    assert found.text == "Top\n\nSeen."
    assert found.warnings == (
        "Text deleted with tracked changes was left out.",
        "Hidden text was left out.",
        "The comments were left out.",
    )


def test_headings_have_the_numbers_of_their_outline():
    outline = (
        '<text:outline-style><text:outline-level-style text:level="1" style:num-format="1"/>'
        '<text:outline-level-style text:level="2" style:num-format="1" text:display-levels="2"/></text:outline-style>'
    )
    body = "".join(f"<text:h text:outline-level='{level}'>x</text:h>" for level in (1, 2, 2, 1, 2))
    assert odt(body, styles=outline).text.split("\n\n") == ["1 x", "1.1 x", "1.2 x", "2 x", "2.1 x"]


def test_slides_are_pages_with_their_notes():
    table = "<a:tbl><a:tr><a:tc><a:txBody><a:p><a:r><a:t>a</a:t></a:r></a:p></a:txBody></a:tc><a:tc/></a:tr></a:tbl>"
    numbered = '<a:pPr><a:buAutoNum type="arabicPeriod"/></a:pPr>'
    first = (
        files.shape("Title")
        + files.shape("one</a:t></a:r></a:p><a:p>" + numbered + "<a:r><a:t>two", numbered)
        + files.shape("10</a:t></a:r><a:r><a:rPr baseline='30000'/><a:t>5")
        + files.shape("3", extra='<p:nvSpPr><p:nvPr><p:ph type="sldNum"/></p:nvPr></p:nvSpPr>')
        + f"<p:graphicFrame>{table}</p:graphicFrame>"
    )
    found = parse(files.pptx([first, files.shape("Second")], notes={1: "Say it."}), "a.pptx")
    assert found.text == "Title\n\n1. one\n2. two\n\n10⁵\n\na\n\nNotes: Say it.\n\nSecond"
    assert [found.text[at:].split("\n")[0] for at in found.page_starts] == ["Title", "Second"]
    hidden = parse(files.pptx([files.shape("a"), files.shape("b")], hidden={2}), "a.pptx")
    assert hidden.warnings == ("Slide 2 is hidden in the show; it was read.",)


def workbook():
    book = openpyxl.Workbook()
    book.active.title = "Prices"
    for row in (
        ["Item", "Price", "Since"],
        ["Oak door", 450.5, datetime.datetime(2024, 1, 31)],
        [],
        [None, 0.1 + 0.2, True],
    ):
        book.active.append(row)
    book.create_sheet("Empty")
    book.create_sheet("Secret").append(["x"])
    book["Secret"].sheet_state = "hidden"
    return saved(book.save)


def test_a_workbook_is_its_tables():
    found = parse(workbook(), "a.xlsx")
    assert found.text == ("Prices\n\nItem\tPrice\tSince\nOak door\t450.5\t2024-01-31\n\t0.3\tTRUE\n\nSecret\n\nx")
    assert found.warnings == ("The sheet Secret is hidden in the workbook; it was read.",)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}, "an OpenDocument spreadsheet"),
        ({"mimetype": "application/vnd.oasis.opendocument.presentation"}, "an OpenDocument presentation"),
        ({"Index/Document.iwa": "x"}, "a Pages, Numbers or Keynote file"),
        ({"[Content_Types].xml": "<Types/>", "xl/workbook.bin": "x"}, "an Excel file with macros"),
        ({"[Content_Types].xml": "<Types/>", "ppt/x.xml": "x"}, "a PowerPoint file with macros"),
        ({"a.txt": "x"}, "a ZIP archive and not a document"),
    ],
)
def test_packages_that_are_not_read_are_named(parts, said):
    with pytest.raises(NotADocument, match=said):
        parse(archive(parts), "a.zip")


def test_bombs_of_every_format_are_not_unpacked():
    long = "<p>" + " " * 64_000_001
    for data in (
        files.epub(first=long, second=""),
        archive({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": long}),
        files.pptx([long]),
        archive({"[Content_Types].xml": files.types(files.XLSX, "xl/workbook.xml"), "xl/a.xml": long}),
    ):
        with pytest.raises(DocumentTooLarge, match="the limit is 64,000,000"):
            parse(data, "a")
