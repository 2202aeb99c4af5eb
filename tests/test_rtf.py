import pytest

from kveraser_core.documents import DamagedDocument
from kveraser_core.documents.formats import parse


def text(content, head=r"\ansi\ansicpg1252\deff0{\fonttbl{\f0 Arial;}{\f1\fcharset204 A;}{\f2\fcharset128 B;}}"):
    return parse(b"{\\rtf1" + (head + content + "}").encode("latin-1"), "a.rtf")


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (r" One {\b bold}\par Two\line three", "One bold\n\nTwo\nthree"),
        (r" \'e4\'F6 \u8364? \u-10179?\u-8704?", "äö € 😀"),
        (r" {\uc0\u233}t\u233\'e9", "été"),
        (r"{\f1 \'cf\'f0\'e8} {\f2 \'8c\'c3}", "При 古"),
        (r" 10{\super 5} H{\sub 2}O x{\super a b}", "10⁵ H₂O x^(a b)"),
        (r" 10{\up6\fs16 5} H{\dn4 2}O 31\up0 0", "10⁵ H₂O 310"),
        (r" 10\super -\super 5\nosupersub  done", "10⁻⁵ done"),
        (r"\trowd a\cell b\cell\row c\cell d\cell\row", "a\tb\nc\td"),
        (r"{\listtext  1.\tab}First\par{\pntext\f1 \'b7\tab}Second", "1. First\n\n- Second"),
        (r"\trowd\intbl a\par\cell\pard b\par c\par\cell\row end", "a\tb\n\nc\nend"),
        (r"x{\super\chftn}{\*\footnote\chftn~A note}.{\footer 7}", "x[1].\n\n[1] ~A note"),
        (r" a{\footnote\chftn  Note}b{\header\pard Top\par}{\footer Foot}", "Top\n\na[1]b\n\n[1] Note\n\nFoot"),
        (r" x{\*\shpinst{\sp{\sn a}{\sv 1}}{\shptxt In the box}}", "x\n\nIn the box"),
        (r'{\field{\*\fldinst HYPERLINK "x"}{\fldrslt link}} {\*\new of}{\info{\title T}}{\pict 0f}end', "link end"),
        (r" a\~b\_c\-d \{e\} \ldblquote f\rdblquote\emdash g", "a\xa0b-cd {e} “f”—g"),
        (r" before\bin4 }}}}after", "beforeafter"),
    ],
)  # fmt: skip
def test_rtf(content, read):
    assert text(content).text == read


def test_an_rtf_file_may_begin_with_empty_lines():
    assert parse(b"\r\n\r\n{\\rtf1\\ansi The fee is 31 euros.\\par}", "a").text == "The fee is 31 euros."


def test_what_is_left_out_of_an_rtf_file_is_said():
    found = text(r" Seen {\v hidden}{\*\annotation Why?} {\deleted gone}\v0 end")
    assert found.text == "Seen  end"
    assert found.warnings == (
        "Hidden text was left out.",
        "The comments were left out.",
        "Text deleted with tracked changes was left out.",
    )


def test_an_rtf_file_that_breaks_off_before_its_text_is_damaged():
    with pytest.raises(DamagedDocument):
        parse(b"{\\rtf1\\ansi{\\fonttbl{\\f0 Ari", "a")
