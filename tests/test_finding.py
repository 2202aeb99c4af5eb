"""A passage is found as a reader would find it, at offsets of the document; what is almost it is named."""

import itertools
import re
import time
from pathlib import Path
from unicodedata import category, normalize

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kveraser_core.documents import load_document
from kveraser_core.documents.search.finding import cut_words, find_passages, find_text
from kveraser_core.documents.search.folding import fold
from kveraser_core.documents.spans import Span, SpanError

CASES = Path(__file__).parents[2] / "shared" / "cases" / "documents"
PIECES = ["\r\n", "\n\n", " ", "\u00a0", "-", "-\n", "—", "é", "e\u0301", "x\u0302", "ﬁ", "…", "’", "“", "漢", "字"]
PIECES += ["👍🏽", "👩‍👩‍👧", "\u200d", "\u00ad", "\u00ad\n", "\u200b", "ß", "İ", "½", "10⁵", "¨", "กำ", "कि", "ㄱㅏ"]
UNICODE = st.lists(st.one_of(st.characters(codec="utf-8"), st.sampled_from(PIECES)), max_size=30).map("".join)


def case(name: str) -> str:
    found = sorted(CASES.glob(f"{name}_*"))
    if not found:
        pytest.skip("the shared cases are not here")
    return load_document(found[0]).text


def read(text: str, passage: str, **options: bool) -> list[str]:
    return [text[span.start : span.end] for span in find_text(text, passage, **options)]


@pytest.mark.parametrize(
    ("name", "passage", "times"),
    [
        ("t34", "the landlord's rent is 800 euros", 3),
        ("t07", 'The landlord\'s "quiet hours" begin at 22:00 - every day... Non-stop.', 1),
        ("t05", normalize("NFC", "Gärtner Müller"), 1),
        ("t06", "password of the safe is swan", 1),
        ("t06", "Normal text", 1),
        ("p01", "The financial office inflates the flat fee.", 1),
        ("p02", "confidential settlement amount is 90,000 dollars", 1),
        ("p26", "The secret supplier of the company is Norvane Ltd.", 1),
    ],
)
def test_the_cases_of_others(name, passage, times):
    text = case(name)
    found = find_text(text, passage)
    letters = [re.sub(r"[\W_]", "", normalize("NFKC", text[s.start : s.end])).casefold() for s in found]
    assert letters == [re.sub(r"[\W_]", "", passage).casefold()] * times


def test_whole_words_of_the_case():
    text = case("t10")
    assert find_text(text, "Ann", whole_words=True) == [Span(text.index("Ann pays"), text.index("Ann pays") + 3)]
    assert cut_words(text, find_text(text, "Ann")) == ["Annual"]
    assert len(find_text(text, "14")) == len(find_text(text, "14", whole_words=True)) + 1
    assert cut_words(text, find_text(text, "14")) == ["2014"]
    assert len(find_text(text, "the refund period")) == 2


@pytest.mark.parametrize(
    ("text", "passage", "found"),
    [
        ("well-\nknown, well-known", "well-known", ["well-\nknown", "well-known"]),
        ("confi-\n\ndential, confidential", "confidential", ["confi-\n\ndential", "confidential"]),
        ("well-known wellknown", "well-\nknown", ["well-known", "wellknown"]),
        ("re-sign and resign", "resign", ["resign"]),
        ("10-14 is not 1014", "1014", ["1014"]),
        ("two-\nand three", "two- and", ["two-\nand"]),
        ("the confi-\ndential", "confi-", ["confi-"]),
        ("- one\n- two\nnon-two", "- two", ["- two"]),
        ("co\u00adoper\u00ad\nate", "cooperate", ["co\u00adoper\u00ad\nate"]),
        ("resume, re\u0301sume\u0301, résumé", "résumé", ["re\u0301sume\u0301", "résumé"]),
        ("x\u0302 x", "x", ["x"]),
        ("ﬁt", "f", ["ﬁ"]),
        ("Straße STRASSE", "strasse", ["Straße", "STRASSE"]),
        ("ΟΔΟΣ οδος", "οδοσ", ["ΟΔΟΣ", "οδος"]),
        ("ＦＵＬＬ\u3000width", "full width", ["ＦＵＬＬ\u3000width"]),
        ("10⁵ is 100000, 105 is not", "105", ["105"]),
        ("The CO₂ cap, a CO2 cap", "co2 cap", ["CO₂ cap", "CO2 cap"]),
        ("合同金额\n为九千元", "金额为", ["金额\n为"]),
        ("a 👩‍🚀 b", "👩", ["👩‍🚀"]),
        ("«Si»", '"si"', ["«Si»"]),
    ],
)
def test_other_cases_of_the_kinds(text, passage, found):
    assert read(text, passage) == found


@pytest.mark.parametrize(
    ("text", "passage", "found"),
    [
        ("Ann's Annual JoAnn, Ann", "ann", ["Ann", "Ann"]),
        ("14.5 and 1,414 and 14, 14.", "14", ["14", "14"]),
        ("well-known and confi-\nknown", "known", ["known"]),
        ("合同金额", "金额", ["金额"]),
    ],
)
def test_whole_words(text, passage, found):
    assert read(text, passage, whole_words=True) == found


TORN = "secret supplier of Report 7 the company"


@pytest.mark.parametrize(
    ("text", "passage", "close", "reason"),
    [
        ("The fee is 40 euros. The fee is 45 euros.", "The fee is 40 euros.", "The fee is 45 euros", '"45" for "40"'),
        ("The plain words. Call Norvan Ltd.", "Norvane Ltd", "Norvan Ltd", '"norvan" for "norvane"'),
        ("Please do re-sign.", "resign", "re-sign", "hyphens"),
        ("A résumé here.", "resume", "résumé", "accents"),
        ("Ring 030123456 now.", "030 123-456", "030123456", "spaces"),
        ("The **secret** fee.", "the secret fee", "The **secret** fee", "signs"),
        ("A room of 31 m2.", "31 m²", "31 m2", "raised"),
        ("合同金额为九千元", "金额为八千元", "金额为九千元", '"九" for "八"'),
        ("The secret supplier of\n\nReport 7\n\nthe company", "secret supplier of the company", TORN, "stands"),
    ],
)
def test_near_misses_are_named(text, passage, close, reason):
    (near,) = find_passages(f"{text} {passage}", passage).close
    assert near.text == text[near.span.start : near.span.end]
    assert " ".join(near.text.split()) == close
    assert reason in near.reason
    absent = text.replace(passage, "")
    with pytest.raises(SpanError) as raised:
        find_text(absent, passage)
    assert f'only "{close}" at' in str(raised.value)
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    ("text", "passage"),
    [
        ("The fee is 40 euros. A dog sleeps in the yard.", "The fee is 40 euros."),
        ("Ann pays in 2014. Bob pays in 2015.", "Ann pays"),
        ("It was in 2014, not 2015.", "2014"),
        ("The password is swan. The passwords are swans.", "password"),
    ],
)
def test_unrelated_text_is_no_near_miss(text, passage):
    assert find_passages(text, passage).close == []


def folded_in(draw, passage: str) -> str:
    """The passage as another might have typed or printed it."""
    changes = {
        "case": str.swapcase,
        "decomposed": lambda text: normalize("NFD", text),
        "composed": lambda text: normalize("NFC", text),
        "quotes": lambda text: text.translate(str.maketrans("'\"", "’„")),
        "dashes": lambda text: text.replace("-", "‐"),
        "dots": lambda text: text.replace("...", "…"),
        "ligatures": lambda text: text.replace("fi", "ﬁ").replace("ff", "ﬀ"),
        "wide": lambda text: re.sub("[!-~]", lambda found: chr(ord(found[0]) + 0xFEE0), text),
        "lines": lambda text: text.replace(" ", "\n"),
        "pages": lambda text: text.replace(" ", " \n\n "),
        "line ends": lambda text: re.sub(r"(?<=[^\W\d_]{2})(?=[^\W\d_]{2})", "-\n", text, count=1),
        "page ends": lambda text: text.replace("-", "-\n\n"),
        "soft hyphens": lambda text: re.sub(r"(?<=[^\W_])(?=[^\W_])", "\u00ad", text),
        "invisible": lambda text: re.sub(r"(?<=\w)(?=\w)", "\u200b\ufeff", text),
    }
    names = draw(st.lists(st.sampled_from(sorted(changes)), max_size=3, unique=True))
    for name in names:
        passage = changes[name](passage)
    return passage


WORDS = st.lists(
    st.sampled_from(["office", "Müller", "well-known", "'x'", '"Fee"', "40", "wait...", "naïve", "off", "Ж", "x̂y"]),
    min_size=1,
    max_size=6,
).map(" ".join)


@given(before=WORDS, passage=WORDS, after=WORDS, data=st.data())
def test_a_passage_is_found_at_its_place_whatever_is_folded(before, passage, after, data):
    printed = folded_in(data.draw, passage)
    typed = folded_in(data.draw, passage)
    text = f"{before} | {printed} | {after}"
    place = Span(len(before) + 3, len(before) + 3 + len(printed))
    found = find_text(text, f"| {typed} |")
    assert Span(place.start - 2, place.end + 2) in found
    assert any(place.start <= span.start and span.end <= place.end for span in find_text(text, typed))


@given(UNICODE)
@example("👩‍👩‍👧 e\u0301\u200d-\n漢 \n字")
def test_the_map_back_is_monotone_and_covers_the_text(text):
    folded = fold(text)
    spans = [folded.original(at, at + 1) for at in range(len(folded.text))]
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    for one, other in itertools.pairwise(spans):
        assert one == other or one.end <= other.start
    kept = {at for span in spans for at in range(span.start, span.end)}
    for at in set(range(len(text))) - kept:
        character = text[at]
        invisible = category(character) == "Cf" or category(character) == "Mn" or character.isspace()
        assert invisible or normalize("NFKC", character) in "-‐‑‒–—―−⸺⸻"
    for start, end in itertools.combinations(range(0, len(spans) + 1, 3), 2):
        assert folded.original(start, end) == Span(spans[start].start, spans[end - 1].end)


@given(text=UNICODE, data=st.data())
def test_any_part_is_found_where_it_stands(text, data):
    spans = [fold(text).original(at, at + 1) for at in range(len(fold(text).text))]
    assume(spans)
    first = data.draw(st.integers(0, len(spans) - 1))
    last = data.draw(st.integers(first, len(spans) - 1))
    start, end = spans[first].start, spans[last].end
    while end < len(text) and category(normalize("NFKC", text[end])[0])[0] == "M":
        end += 1
    part = text[start:end]
    assume(part.strip() and fold(part).text.strip(" -") and not re.search(r"^\W|\W$", part))
    found = find_text(text, part)
    assert any(span.start <= start < span.end or start <= span.start < end for span in found)


def test_folding_and_near_misses_take_time_linear_in_the_text():
    line = "The landlord’s rent is 800 euros — due on the first day;\nwell-known to every confi-\ndential party. "
    for text in (line * 10_000, "\u00ad" * 10**6, "a-" * 10**5, "e\u0301" * 10**5, "\u0301" * 10**6):
        begun = time.process_time()
        fold(text)
        assert time.process_time() - begun < 6
    begun = time.process_time()
    with pytest.raises(SpanError, match='"800" for "900"'):
        find_text(line * 10_000, "The landlord's rent is 900 euros")
    assert time.process_time() - begun < 10


def test_find_text_takes_every_occurrence_across_line_breaks():
    text = "Pay fourteen coins. Never pay\nfourteen   coins (x+) twice. fourteen coins"
    assert [text[s.start : s.end] for s in find_text(text, " fourteen coins ")] == [
        "fourteen coins",
        "fourteen   coins",
        "fourteen coins",
    ]
    assert find_text(text, "(x+)") == [Span(text.index("(x+)"), text.index("(x+)") + 4)]


@pytest.mark.parametrize("passage", ["", " \n", "absent"])
def test_text_that_is_not_there_is_refused(passage):
    with pytest.raises(SpanError):
        find_text("some text", passage)


@given(text=st.text(alphabet="ab \n\u00a0", max_size=60), passage=st.text(alphabet="ab \n", min_size=1, max_size=8))
def test_text_is_found_where_a_regular_expression_finds_it(text, passage):
    pattern = r"\s+".join(map(re.escape, passage.split()))
    expected = [Span(*match.span()) for match in re.finditer(pattern, text)] if pattern else []
    if expected:
        assert find_text(text, passage) == expected
    else:
        with pytest.raises(SpanError):
            find_text(text, passage)


def test_a_long_passage_is_looked_for_in_time():
    begun = time.monotonic()
    with pytest.raises(SpanError):
        find_text("a " * 200_000, "a " * 100_000 + "b")
    assert time.monotonic() - begun < 20
