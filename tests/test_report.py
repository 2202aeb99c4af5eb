"""A report beside figures that transformers' own modules compute, and its verdicts."""

import hashlib
from dataclasses import replace

import pytest
import torch

from kveraser_core.documents import Document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.spans import Span
from kveraser_core.model.generation import Sampling
from kveraser_core.sessions.probes import ANSWER, overlap, probes_of
from kveraser_core.sessions.questions import QuestionError
from kveraser_core.sessions.report_html import as_html
from kveraser_core.sessions.report_measure import NothingToReport
from kveraser_core.sessions.session import DocumentSession
from tests.session_states import OLD, same, states
from tests.tiny import TEXT, tiny_model

AGAIN = "\n\nThe ferry leaves from the second pier.\n\n"
PAGES = (0, TEXT.index("The toll today"), len(TEXT) + 2)
WHOLE = Document(TEXT + AGAIN + OLD, "<b>harbour</b>.txt", PAGES)
QUESTION = "What is the toll?"


@pytest.fixture
def session(llama, save_adapter):
    folder = save_adapter()
    (folder / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 4}')
    llama.load_eraser(folder)
    return DocumentSession.load(llama, WHOLE)


def first(session):
    return find_text(session.document.text, OLD)[:1]


def of_transformers(context, probe):
    """The log-probabilities of a probe's tokens after the tokens `context`: `[ids, vocabulary]`."""
    with torch.no_grad():
        logits = tiny_model("llama", "sdpa")(torch.tensor([[*context, *probe.prompt, *probe.ids]])).logits[0]
    return logits[-len(probe.ids) - 1 : -1].log_softmax(-1)


def test_the_figures_are_those_of_transformers(session):
    session.replace(first(session), " The toll is a secret.", "none")
    before = states(session)
    report = session.report([QUESTION], "none")
    assert same(states(session), before)
    (one,) = report.passages
    ids, start = session._context.ids, session._context.document_start
    probes = probes_of(session._context.prompt, ids, session._history.edits[0].span, start)
    kls = []
    contexts = {"original": ids, "exact": session.kept_ids, "never_read": ids[:start]}
    for probe, name in zip(probes, ("continued", "asked"), strict=True):
        rows = {kind: of_transformers(context, probe) for kind, context in contexts.items()}
        for kind, found in rows.items():
            expected = found[range(len(probe.ids)), list(probe.ids)].mean().item()
            assert getattr(one.recalls[kind], name) == pytest.approx(expected, abs=1e-3)
        exact = rows["exact"]
        kls.append((exact.exp() * (exact - rows["original"])).sum(-1).mean().item())
    assert one.recalls["original"].kl == pytest.approx(max(kls), rel=1e-2)
    assert one.recalls["edited"] == one.recalls["original"]
    assert report.verdict() != "exact"
    assert report.questions[0].kl["edited"] == report.questions[0].kl["original"] > report.noise


@pytest.mark.parametrize("chunk", [3, 17, 512])
def test_an_exact_context_is_never_called_approximate_however_it_was_computed(session, monkeypatch, chunk):
    session.erase(first(session))
    session.replace(find_text(TEXT, "thirty copper coins"), "ten")
    monkeypatch.setattr("kveraser_core.methods.apply.CHUNK", chunk)
    report = session.report([QUESTION], "full_recompute")
    assert report.verdict() == "exact"
    assert {report.verdict(one) for one in report.passages} == {"exact"}
    assert report.sentence().startswith("Cannot be told from a document without it, within numeric noise: KL")


@pytest.mark.parametrize("method", ["delete_shift", "kveraser_repair:3"])
def test_an_approximate_context_is_called_so(session, method):
    session.erase(find_text(TEXT, "Ships report to the pilot"))
    report = session.report(method=method)
    assert report.verdict() != "exact"
    assert report.kl > report.noise
    assert report.about["ran"] == method.partition(":")[0]


def test_a_copy_that_was_forgotten_is_named_with_its_page(session):
    session.erase(first(session), "full_recompute")
    (one,) = session.report(method="full_recompute").passages
    assert one.page == 1
    (copy,) = [copy for copy in one.copies if copy.literal]
    assert (copy.page, copy.text) == (3, OLD)
    assert WHOLE.text[copy.start : copy.end] == OLD
    session.erase(find_text(WHOLE.text, OLD))
    for one in session.report(method="full_recompute").passages:
        assert [copy for copy in one.copies if copy.literal] == []


def test_it_says_of_what_and_how_it_was_measured(session):
    session.erase(first(session))
    about = session.report(method="local_repair", command="kveraser report FILE").as_json()
    assert about["sha256"] == hashlib.sha256(WHOLE.text.encode()).hexdigest()
    assert (about["document"], about["model"], about["engine"]) == (WHOLE.title, "tiny", "torch")
    assert about["command"] == "kveraser report FILE"
    assert about["versions"]["torch"] == torch.__version__
    assert about["passages"][0]["text"].strip() == OLD
    assert "no proof" in about["limits"]


def test_what_a_document_says_is_no_markup_in_the_page_to_keep(session):
    session.replace(first(session), "<script>alert(1)</script>")
    page = as_html(session.report(["<img src=x>"]))
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>harbour" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_with_nothing_edited_there_is_nothing_to_report(session):
    with pytest.raises(NothingToReport, match="Nothing is erased or replaced"):
        session.report()


def test_a_report_that_is_stopped_leaves_the_document_as_it_was(session):
    before = states(session)
    session.erase(first(session))

    def stop(share):
        if share > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.report(told=stop)
    session.restore_all()
    assert same(states(session), before)


def test_the_overlap_is_the_longest_run_of_words():
    assert overlap("They say the toll is 14 silver coins, all of them", "Rule: The toll is 14 silver nails") == 5
    assert overlap("", "nothing") == 0


@pytest.mark.packaged
def test_the_packaged_model_finds_what_was_left_and_what_was_not_erased(packaged):
    filler = "The ferry to the island leaves every hour. Boats anchor in the bay at night. "
    text = f"{filler * 3}The access code of the map room is 48213. {filler * 3}Director Mara Lindqvist keeps the key."
    session = DocumentSession.load(packaged, Document(text, "a.txt"))
    session.erase(find_text(text, "The access code of the map room is 48213."))
    gone = session.report(method="full_recompute")
    assert gone.verdict() == "exact"
    assert gone.control is not None
    assert gone.control.found
    recalls = gone.passages[0].recalls
    assert recalls["original"].continued > recalls["exact"].continued + 1
    unmodified = replace(gone.passages[0], recalls=recalls | {"edited": recalls["original"]})
    assert replace(gone, passages=(unmodified,)).verdict() == "present"


def test_it_is_by_the_method_that_answers_now(session):
    session.erase(find_text(WHOLE.text, OLD))
    assert session.report().about["method"] == session.default_method
    session.make_exact()
    report = session.report()
    assert (report.about["method"], report.verdict()) == ("full_recompute", "exact")


def test_its_questions_are_asked_as_they_are_else(session):
    """After an answer, in a turn of their own; and no empty or endless ones."""
    session.append("Who pays?", "user")
    session.append("Captains do.", "assistant")
    session.erase(find_text(WHOLE.text, OLD))
    (asked,) = session.report([QUESTION], "full_recompute").questions
    assert (
        asked.answers["exact"] == session.ask(QUESTION, "full_recompute", sampling=Sampling(max_tokens=ANSWER)).text
    )
    for bad in (" ", "Who pays? " * 400):
        with pytest.raises(QuestionError):
            session.report([QUESTION, bad])


def test_a_short_passage_has_a_control_too(session):
    session.erase([Span(4, 6)])
    assert len(session.spans[0].text) < 12
    assert session.report(method="full_recompute").control is not None
