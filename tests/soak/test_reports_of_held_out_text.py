"""Reports on paragraphs with a sentence erased: what must be found is found, and exact and unmodified told apart.

`REPORT_ARTICLES` (default 16:24, those that nothing is tuned on) and `REPORT_N` (50) choose the examples. Prints the
figures that the verdicts were decided by.
"""

import os
import random
from pathlib import Path

import pytest

from kveraser_core.documents import Document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.methods import NONE, REFERENCE
from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.report import gain
from kveraser_core.sessions.session import DocumentSession
from kveraser_core.tasks.document_qa import QuestionFile

QUESTIONS = Path(__file__).parents[3] / "shared" / "data" / "qa" / "xquad-en-dev.json"
pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not QUESTIONS.exists(), reason="the question file is not beside the project"),
]
ARTICLES = slice(*map(int, os.environ.get("REPORT_ARTICLES", "16:24").split(":")))
N = int(os.environ.get("REPORT_N", "50"))


def test_reports_tell_what_is_gone_from_what_is_there():
    backbone = Backbone.load()
    file = QuestionFile(backbone, QUESTIONS, ARTICLES)
    exact, unmodified, lost = [], [], []
    for item in random.Random(24).sample(file.items, min(N, len(file.items))):
        session = DocumentSession.load(backbone, Document(item.paragraph, "paragraph"), exact_soon=False)
        session.erase(find_text(item.paragraph, item.sentence)[:1])
        reports = {method: session.report(method=method) for method in (REFERENCE, NONE)}
        exact.append(reports[REFERENCE].verdict())
        unmodified.append(reports[NONE].verdict())
        control = reports[REFERENCE].control
        lost.append(control is None or not control.found)
        print(
            f"{exact[-1]:12} {unmodified[-1]:12} kl {reports[REFERENCE].kl:.2g} {reports[NONE].kl:.2g}",
            f"noise {reports[REFERENCE].noise:.2g}",
            f"control {gain(control.edited, control.never_read):.2f}" if control else "no control",
            flush=True,
        )
    assert set(exact) == {"exact"}
    assert "exact" not in unmodified
    assert not any(lost)
