from email.message import EmailMessage

import pytest

from kveraser_core.documents.formats import parse
from kveraser_core.documents.kinds import is_mail


def message(**headers):
    made = EmailMessage()
    for name, value in headers.items():
        made[name] = value
    return made


def letter():
    return message(
        From="Ann <ann@example.org>",
        To="Bob <bob@example.org>",
        Subject="Die Tür kostet 5 €",
        Date="Mon, 1 Jan 2024 10:00:00 +0000",
    )


HEAD = (
    "From: Ann <ann@example.org>\nTo: Bob <bob@example.org>\nDate: Mon, 01 Jan 2024 10:00:00 +0000\n"
    "Subject: Die Tür kostet 5 €\n\n"
)


def test_a_plain_letter():
    made = letter()
    made.set_content("Grüße, Ann\n")
    assert parse(bytes(made), "a.eml").text == f"{HEAD}Grüße, Ann"
    assert parse(b"\r\n" + bytes(made), "a.eml").text == f"{HEAD}Grüße, Ann"


def test_the_plain_form_is_read_before_the_page_and_attachments_are_named():
    made = letter()
    made.set_content("The plain form.")
    made.add_alternative("<p>The <b>page</b>.</p>", subtype="html")
    made.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="größe.pdf")
    found = parse(bytes(made), "a.eml")
    assert found.text == f"{HEAD}The plain form."
    assert found.warnings == ("The attachment was left out: größe.pdf.",)
    made.add_attachment(b"x", maintype="image", subtype="png", filename="b.png")
    assert parse(bytes(made), "a.eml").warnings == ("The attachments were left out: größe.pdf, b.png.",)


def test_a_letter_that_is_a_page_and_hides_text():
    made = letter()
    made.set_content("<p style='display:none'>no</p><ul><li>10<sup>5</sup></ul>", subtype="html", charset="cp1252")
    found = parse(bytes(made), "a.eml")
    assert found.text == f"{HEAD}- 10⁵"
    assert found.warnings == ("Hidden text was left out.",)


def test_all_parts_that_a_letter_shows_are_read_and_others_named():
    made = letter()
    made.set_content("First.")
    made.add_attachment("Second.", disposition="inline")
    made.add_attachment("<p>Third.</p>", subtype="html", disposition="inline")
    made.add_attachment("<p>Not shown.</p>", subtype="html", filename="a.html")
    made.add_attachment("BEGIN:VCALENDAR", subtype="calendar", disposition="inline")
    found = parse(bytes(made), "a.eml")
    assert found.text == f"{HEAD}First.\n\nSecond.\n\nThird."
    assert found.warnings == ("The attachments were left out: a.html, text/calendar.",)


def test_a_forwarded_letter_is_said():
    made = letter()
    made.set_content("See below.")
    inner = letter()
    inner.set_content("Inside.")
    made.add_attachment(inner)
    assert parse(bytes(made), "a.eml").warnings == ("The attachment was left out: a forwarded message.",)


@pytest.mark.parametrize("transfer", ["quoted-printable", "base64", "8bit"])
def test_a_saved_page(transfer):
    made = message(From="<Saved by Blink>", Subject="Page")
    made["Snapshot-Content-Location"] = "https://example.org/"
    made.set_content("<html><body><p>Die Tür kostet 450 Euro.</p></body></html>", subtype="html", cte=transfer)
    made.make_related()
    made.add_related(b"\x89PNG", maintype="image", subtype="png", cid="<x>")
    found = parse(bytes(made), "a.mhtml")
    assert found.text == "Die Tür kostet 450 Euro."
    assert found.warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "Note: buy milk\nFrom: the shop\n\nText",
        "From: me\nto whom it may concern\n\nText",
        "Subject: x\n\nText",
        "MIME-Version: 1.0 is a header\nof mail",
        "Key: value",
        "",
    ],
)
def test_text_that_is_no_letter(text):
    assert not is_mail(text.encode())
