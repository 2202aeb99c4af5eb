import pytest

from kveraser_core.documents import document as documents
from kveraser_core.documents import formats as document_formats
from kveraser_core.documents import read_document
from kveraser_core.documents.kinds import is_html
from tests.test_documents import HTML


@pytest.fixture(autouse=True)
def parsed_in_this_process(monkeypatch):
    monkeypatch.setattr(documents, "parse_in_child", document_formats.parse)


def test_html_is_its_visible_text():
    assert read_document(HTML.encode(), "a.html").text == (
        "Head line\n\nOne bold word & more.\n\n- first\n- second\n\na\tin\n\n  kept\n    so\n\n<script> as text"
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<table><tr><th>k</th><th>v</th></tr><tr><td></td><td> 1 </td></tr></table>", "k\tv\n\t1"),
        ("one<br>two<br><br>three", "one\ntwo\n\nthree"),
        ("<p>a <i> b </i> c</p>", "a b c"),
        ("<template>t</template><noscript>n</noscript><p>kept</p>", "kept"),
    ],
)
def test_html_layout(body, text):
    assert read_document(f"<html><body>{body}</body></html>".encode(), "a").text == text


def test_a_large_flat_or_deep_html_takes_time_in_proportion():
    data = b"<html><body>" + b"<i>x" * 20_000
    assert read_document(data, "a.html").text == "x" * 20_000


def test_html_in_its_declared_encoding():
    source = '<html><head><meta charset="gb2312"></head><body><p>忘记这段话</p></body></html>'
    assert read_document(source.encode("gb2312"), "a.html").text == "忘记这段话"


@pytest.mark.parametrize(
    ("declared", "encoding", "text"),
    [
        ("gb2312", "gb18030", "朱镕基"),
        ("iso-8859-1", "cp1252", "“quoted”"),
        ("utf-16", "utf-8", "Grüße"),
        ("nonsense", "utf-8", "Grüße"),
        ("rot13", "utf-8", "Grüße"),
    ],
)
def test_a_declared_charset_means_what_browsers_take_it_for(declared, encoding, text):
    source = f"<html><head><meta charset='{declared}'></head><body>{text}</body></html>"
    assert read_document(source.encode(encoding), "a.html").text == text


def test_a_declared_charset_survives_a_bad_byte():
    source = "<html><head><meta charset='gb2312'></head><body>忘记这段话".encode("gb18030") + b"\xff</body></html>"
    assert read_document(source, "a.html").text == "忘记这段话\ufffd"


def page(body, head=""):
    return read_document(f"<html><head>{head}</head><body>{body}</body></html>".encode(), "a.html")


@pytest.mark.parametrize(
    "opening",
    [
        "<meta charset=utf-8>\n<title>Prices</title>\n<p>The oak door costs <b>450</b> euros.</p>",
        "<!-- saved --><p>One</p><p>Two</p>",
        "<div class='a'>\n<pre># shell\n- x</pre></div>",
        "<table><tr><td>1</table>",
        "<style>p{}</style><p>x</p>",
        "<h1>Title</h1><p>one<p>two",
        "\n <center><img src=x></center><br>\n<ul><li>a<li>b</ul>",
    ],
)
def test_a_page_may_begin_without_its_head(opening):
    assert is_html(opening)


@pytest.mark.parametrize(
    "opening",
    [
        "<p align=center><img src=x></p>\n\n# Title\n\nText.",
        "<div>\n\n## Inside\n\n</div>",
        "<h1>Title</h1>\n\nSome text after it.",
        "<details><summary>S</summary>\n\n- item\n\n</details>",
        "<b>as it is</b>",
        "<p>See [the page](http://example.org).</p>",
        "<table> of contents\n```\nx\n```",
        "a <p>text</p>",
    ],
)
def test_markdown_may_begin_with_a_piece_of_a_page(opening):
    assert not is_html(opening)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("", "<p hidden>no</p>"),
        ("", "<p style='color: red; DISPLAY : None !important'>no</p>"),
        ("", "<div style='visibility:hidden'><p>no</p></div>"),
        ("", "<div aria-hidden=true>no</div>"),
        ("", "<span style='font-size:0'>no</span>"),
        ("", "<span style='opacity: 0.0'>no</span>"),
        ("", "<dialog>no</dialog>"),
        ("<style>.off{display:none}</style>", "<p class='x off'>no</p>"),
        ("<style>/* { */ #off, .other {color:red;visibility:hidden}</style>", "<p id=off>no</p>"),
        ("<style>aside {display:none}</style>", "<aside>no</aside>"),
        ("<style>p.a.b {display:none} .a {display:block}</style>", "<p class='b a'>no</p>"),
        ("<style>.a > p, #b em {display:none}</style>", "<div class=a><p>no</div><div id=b><p><em>no</em></div>"),
        (
            "<style>.a {display:none !important} p.a {display:block}</style>",
            "<p class=a style='display:block'>no</p>",
        ),
        ("<style>@media screen {em {display:none}}</style>", "<em>no</em>"),
        ("", "<p style='position:absolute; left:-9999px'>no</p><p style='text-indent:-999em'>no</p>"),
        ("", "<p style='clip:rect(0, 0, 0, 0)'>no</p><p style='clip-path: inset(50%)'>no</p>"),
        ("", "<p style='height:0; overflow:hidden'>no</p><p style='content-visibility:hidden'>no</p>"),
        ("", "<p style='font-size:1px'>no</p><p style='color:transparent'>no</p><div popover>no</div>"),
        ("", "<p style='color:#FFF'>no</p>"),
        ("", "<p style='color:#eee; background-color:#eee'>no</p>"),
    ],
)
def test_what_is_hidden_is_left_out_and_said(head, body):
    found = page(f"<p>Seen.</p>{body}", head)
    assert found.text == "Seen."
    assert found.warnings == ("Hidden text was left out.",)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("<style>@media print {p {display:none}}</style>", "<p>seen</p>"),
        ("<style>@import 'x'; .a {display:none} .a.on {display:block}</style>", "<p class='a on'>seen</p>"),
        ("<style>.a {display:none}</style>", "<p class=a style='display:block'>seen</p>"),
        ("<style>.a > p {display:none} p:hover {display:none}</style>", "<p>seen</p>"),
        ("<style>.a {opacity: 0.5; font-size: 0.9em}</style>", "<p class=a>seen</p>"),
        ("", "<details>seen</details>"),
        ("<style>.a p {display:none} .b .a {display:none}</style>", "<p class=a>seen</p>"),
        ("<style>.a {font-size:0} .a p {font-size:13px}</style>", "<div class=a><p>seen</p></div>"),
        ("<style>p {color:white} body {background:navy}</style>", "<p>seen</p>"),
        ("", "<p style='color:transparent; -webkit-background-clip:text'>seen</p>"),
        ("", "<div style='overflow:hidden; height:100px'>seen</div>"),
        ("", "<dialog open>seen</dialog>"),
        ("", "<p aria-hidden=false>seen</p><input type=hidden value=no>"),
    ],
)
def test_what_is_shown_is_read(head, body):
    found = page(body, head)
    assert found.text == "seen"
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("10<sup>5</sup> m<sup>2</sup> H<sub>2</sub>O", "10⁵ m² H₂O"),
        ("x<sup>a+b</sup> 1<sup>st</sup> see<sup><a>[2]</a></sup> y<sub>max</sub>", "x^(a+b) 1st see[2] y_max"),
        ("<ol start=5 type=a><li>x<li value=9>y</ol>", "e. x\ni. y"),
        ("<ol type=I start=4><li>x</ol><ol reversed><li>x<li>y</ol>", "IV. x\n\n2. x\n1. y"),
        ("<ol style='list-style-type: lower-roman'><li>x</ol><ul style='list-style:none'><li>y</ul>", "i. x\n\ny"),
        ("<ol><li><p>x</p><ul><li>y</ul><li>z</ol>", "1. x\n\n- y\n\n2. z"),
        ("Name <input value=Ann><input type=checkbox checked>Yes<input type=radio>No", "Name Ann ☒ Yes ☐ No"),
        ("<textarea>a\n  b</textarea><select><option>c<option selected>d</select>", "a\n  b d"),
        ("a<input type=password value=e>", "a"),
        ("<select><option>c<option>d</select> <img alt='a cat' src=x>", "c a cat"),
        ("x<a role=doc-noteref><sup>1</sup></a>.<ol><li>Note<a role=doc-backlink>^</a></ol>", "x[1].\n\n1. Note"),
        ("He said <q>yes</q>.", "He said “yes”."),
        ("31 m<span style='vertical-align:super'>2</span>", "31 m²"),
        ("<style>.a {list-style: lower-alpha inside}</style><ol class=a><li>x<li>y</ol>", "a. x\nb. y"),
        ("<style>ol {list-style: disc}</style><ol><li>x</ol>", "- x"),
        ("<table><tr><td><p>a</p></td><td><p>b</p></td></tr><tr><td></td><td><p>c</p></table>", "a\tb\n\tc"),
        ("<math><msup><mi>x</mi><mn>2</mn></msup><mo>=</mo><mfrac><mi>a</mi><mn>2</mn></mfrac></math>", "x²=a/2"),
        ("<math><mn>2</mn><mfrac><mn>1</mn><mn>2</mn></mfrac><mo>+</mo><mn>1</mn></math>", "2 1/2+1"),
        ("<math><semantics><msqrt><mi>x</mi><mn>1</mn></msqrt><annotation>no</annotation></semantics>", "√(x1)"),
        ("<math><munderover><mo>∑</mo><mi>i</mi><mi>n</mi></munderover><mi>i</mi></math>", "∑_iⁿ i"),
        ("<math><mtable><mtr><mtd>1</mtd><mtd>2</mtd></mtr><mtr><mtd>3</mtd></mtr></math>", "[1, 2; 3]"),
    ],
)  # fmt: skip
def test_what_elements_say(body, text):
    assert page(body).text == text


def test_hidden_text_may_hold_what_is_shown():
    found = page("<p style='visibility:hidden'>no <b style='visibility:visible'>seen</b> no</p>")
    assert found.text == "seen"
    assert found.warnings == ("Hidden text was left out.",)


@pytest.mark.parametrize(
    ("head", "body", "said"),
    [
        ("<style>h1::before {content: counter(h) '. '}</style>", "<h1>Scope</h1>", "style sheet adds"),
        ("", "<h1>Scope</h1><iframe srcdoc='<p>x'></iframe>", "iframe"),
        ("<style>h1::before {content: '\\f101'} p::after {content: ''}</style>", "<h1>Scope</h1>", ""),
    ],
)
def test_what_is_not_in_the_page_itself_is_said(head, body, said):
    found = page(body, head)
    assert found.text == "Scope"
    assert [said in warning for warning in found.warnings] == ([True] if said else [])


def test_readings_and_drawings_that_are_left_out_are_said():
    found = page("<ruby>東<rp>(</rp><rt>とう</rt><rp>)</rp>京<rt>きょう</rt></ruby><svg><text>no</text></svg>")
    assert found.text == "東京"
    assert found.warnings == (
        "The readings printed above characters (ruby) were left out.",
        "The text in drawings (SVG) was left out.",
    )


def test_a_page_by_the_label_that_browsers_know():
    source = '<html><head><meta charset="x-sjis"></head><body>家賃は八万円です。①</body></html>'
    assert read_document(source.encode("cp932"), "a.html").text == "家賃は八万円です。①"
