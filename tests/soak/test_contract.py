"""A contract of six pages, with a table, two columns and running heads, printed by Chromium: read, and asked about.

Prints each answer with the passage that is shown first below it. `CONTRACT_PDF` keeps the file.
"""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from kveraser_core.documents import Document, load_document
from kveraser_core.documents.similar.evidence import EvidenceFinder
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.session import DocumentSession
from tests.browser.conftest import FLAGS

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]
PAGE = Path(__file__).parent / "contract.html"
SECTIONS = [
    "The", "Use", "Term", "Rent", "Change", "Deposit", "Repairs", "Alterations", "Insurance", "Access", "Keeping",
    "Subletting", "Notice", "End", "Competition", "Energy", "Data", "Disputes", "Last",
]  # fmt: skip
QUESTIONS = {
    "What is the notice period after an extension?": "notice period of 90 days",
    "How much is the base rent each month?": "1,850 euros",
    "How much is the deposit?": "deposit of 5,550 euros",
    "When does the lease begin?": "begins on 1 March 2024",
    "What may the landlord charge if rent is late?": "interest of six percent",
    "How often is the ventilation of the bakehouse serviced?": "every six months",
    "Who insures the glass of the shop window?": "the glass of the shop window",
    "How many keys does the tenant hand back?": "all eleven keys",
    "How long does the camera at the gate keep its pictures?": "72 hours",
    "What does the tenant owe for every day of delay?": "120 euros",
}
"""Plain questions, and words of the passage that answers each."""


@pytest.fixture(scope="module")
def contract(tmp_path_factory) -> Document:
    file = Path(os.environ.get("CONTRACT_PDF") or tmp_path_factory.mktemp("contract") / "contract.pdf")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page()
        page.goto(PAGE.as_uri())
        page.pdf(path=file, prefer_css_page_size=True)
        browser.close()
    return load_document(file)


def test_it_is_read_in_the_order_in_which_people_read(contract):
    assert contract.page_count == 6
    (heads,) = contract.warnings
    assert '"Page # of #"' in heads
    text = " ".join(contract.text.split())
    sections = [text.index(f"{number}. {title}") for number, title in enumerate(SECTIONS, start=1)]
    assert sections == sorted(sections)
    for whole in (
        "floors, doors, locks, sanitary fittings, and the ovens, which belong to the tenant.",
        "and no more than 900 euros in one year. Damage must be reported to the landlord without delay.",
    ):
        assert whole in text
    assert "Item\tEach month\tFrom\nBase rent\t1,850 euros\t1 March 2024\nCellar\t" in contract.text


def test_the_passage_that_answers_is_shown_first(contract):
    session, finder, right = DocumentSession.load(Backbone.load(), contract), EvidenceFinder(contract.text), 0
    for question, wanted in QUESTIONS.items():
        answer = session.ask(question).text
        found = finder.find(question, answer).passages
        first = " ".join(found[0].text.split()) if found else ""
        right += wanted in first
        print(f"{'right' if wanted in first else 'WRONG'}: {question} | {answer} | {first}")
    print(f"{right} of {len(QUESTIONS)}")
    assert right >= 8
