import threading

import pytest

from kveraser_core.documents import Document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.spans import Span, SpanError
from kveraser_core.methods import UnknownMethod, usable
from kveraser_core.model.generation import Cancelled, Sampling
from kveraser_core.model.prompts import Turn
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.questions import QuestionError
from kveraser_core.sessions.session import DocumentSession
from kveraser_core.sessions.window import DocumentTooLong
from tests.session_states import OLD, same, states
from tests.tiny import TEXT

SHORT = Sampling(max_tokens=6)


@pytest.fixture
def session(llama, save_adapter):
    llama.load_eraser(save_adapter())
    return DocumentSession.load(llama, Document(TEXT, "harbour.txt"))


def test_what_is_erased_is_rounded_out_to_tokens(session):
    (span,) = find_text(TEXT, OLD)
    inner = Span(span.start + 1, span.end - 1)
    assert session.erase([inner]) > 0
    (erased,) = session.spans
    ids, offsets = session.backbone.tokenize(TEXT)
    tokens = offsets.to_tokens(inner)
    assert erased.tokens == len(tokens)
    assert erased.text == session.backbone.text_of(ids[tokens.start : tokens.end])
    assert erased.text == TEXT[erased.characters.start : erased.characters.end]
    assert session.round_out([inner]) == session.spans


def test_edits_are_taken_back_in_any_order_bit_for_bit(session):
    before = states(session)
    first, second = find_text(TEXT, "The harbour office")[0], find_text(TEXT, OLD)[0]
    session.erase([second])
    with_second = states(session)
    session.erase([first])
    assert [span.text.strip() for span in session.spans] == ["The harbour office", OLD]
    session.restore(first)
    session.ask("Who?", sampling=SHORT)
    assert same(states(session), with_second)
    assert session.undo()
    assert len(session.spans) == 2
    session.restore_all()
    assert session.spans == []
    assert same(states(session), before)
    for _ in range(3):
        assert session.undo()
    assert not session.undo()
    assert session.spans == []
    assert same(states(session), before)


def test_overlapping_and_touching_spans_become_one(session):
    session.erase([Span(10, 30)])
    session.erase([Span(20, 50), Span(50, 60)])
    (span,) = session.spans
    assert span.characters.start <= 10
    assert span.characters.end >= 60


def test_asking_leaves_the_context_as_it_was(session):
    before = states(session)
    session.mark(find_text(TEXT, OLD))
    for name in usable(session.backbone):
        session.ask("What is the toll?", name, sampling=SHORT)
    session.restore_all()
    assert same(states(session), before)


def test_an_erased_passage_is_answered_as_if_it_had_never_been_there(session):
    (span,) = find_text(TEXT, OLD)
    session.erase([span], "full_recompute")
    rounded = session.spans[0].characters
    without = Document(TEXT[: rounded.start] + TEXT[rounded.end :], "b.txt")
    other, (slots,) = DocumentSession.load(session.backbone, without), [edit.span for edit in session._history.edits]
    assert other.backbone.tokenize(without.text)[0] == [
        token
        for number, token in enumerate(session._context.ids[session._context.document_start :])
        if number + session._context.document_start not in range(slots.start, slots.end)
    ]
    question = "What is the toll?"
    expected = other.ask(question, "none", sampling=Sampling(max_tokens=20))
    assert session.ask(question, "full_recompute", sampling=Sampling(max_tokens=20)).token_ids == expected.token_ids


def test_an_erase_that_was_timed_is_part_of_the_first_token(session):
    seconds = session.erase(find_text(TEXT, OLD))
    answer = session.ask("What is the toll?", sampling=SHORT)
    assert answer.method == "kveraser"
    assert answer.erase_s == seconds
    assert answer.ttft_s == pytest.approx(seconds + answer.question_prefill_s + answer.first_token_s)
    assert answer.extra_bytes == session.spans[0].tokens * session._context.cache.used_bytes // len(
        session._context.ids
    )


@pytest.mark.parametrize(
    "method", ["kveraser", "kveraser_lookahead", "kveraser_repair:4", "local_repair:5", "mask", "full_recompute"]
)
@pytest.mark.parametrize("question", ["What is the toll?", "What is the toll? " * 80])
def test_what_is_marked_is_erased_in_the_pass_that_reads_the_question(llama, save_adapter, method, question):
    adapter = save_adapter()
    if method != "kveraser":
        (adapter / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 5}')
    llama.load_eraser(adapter)
    session = DocumentSession.load(llama, Document(TEXT, "harbour.txt"))
    fused = method not in ("mask", "full_recompute")
    before = states(session)
    session.mark(find_text(TEXT, OLD))
    answer = session.ask(question, method, sampling=SHORT)
    assert (answer.erase_s is None) == fused
    assert answer.ran == method
    assert answer.ttft_s == (answer.erase_s or 0) + answer.question_prefill_s + answer.first_token_s
    written = states(session)
    assert same(written, before) == (method == "mask")
    again = session.ask(question, method, sampling=SHORT)
    assert (again.token_ids, again.extra_bytes) == (answer.token_ids, answer.extra_bytes)
    assert (again.erase_s is None) == fused
    session.restore_all()
    session.erase(find_text(TEXT, OLD), method)
    assert same(states(session), written)
    assert session.ask(question, method, sampling=SHORT).token_ids == answer.token_ids
    session.restore_all()
    assert same(states(session), before)


def test_a_question_that_fails_before_its_first_word_leaves_nothing_half_erased(session, monkeypatch):
    before = states(session)
    session.mark(find_text(TEXT, OLD))
    with monkeypatch.context() as patch:
        patch.setattr(session.backbone, "forward", failing)
        with pytest.raises(MemoryError):
            session.ask("What is the toll?", sampling=SHORT)
    assert same(states(session), before)
    session.erase(find_text(TEXT, OLD), "kveraser")
    erased = states(session)
    assert not same(erased, before)
    assert session.ask("What is the toll?", sampling=SHORT).token_ids


def failing(*_, **__):
    raise MemoryError


def test_an_answer_says_when_full_recompute_ran_in_the_methods_place(llama, save_adapter):
    adapter = save_adapter()
    (adapter / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 5}')
    llama.load_eraser(adapter)
    session = DocumentSession.load(llama, Document(TEXT, "harbour.txt"))
    session.erase(find_text(TEXT, "burns all night"))
    answer = session.ask("What is the toll?", sampling=SHORT)
    assert (answer.method, answer.ran) == ("kveraser_repair", "full_recompute")
    exact = session.ask("What is the toll?", "full_recompute", sampling=SHORT)
    assert (exact.token_ids, exact.ran) == (answer.token_ids, "full_recompute")
    session.restore_all()
    assert session.ask("What is the toll?", sampling=SHORT).ran == "none"


def test_streamed_pieces_are_the_answer(session):
    *pieces, answer = session.stream("What is the toll?", "none", sampling=Sampling(max_tokens=20))
    assert isinstance(answer, Answer)
    assert "".join(pieces).strip() == answer.text


def test_earlier_turns_are_part_of_the_question(session):
    turn = Turn("What is the toll?", "Thirty coins.")
    with_history = session.ask("And for boats?", "none", [turn], Sampling(max_tokens=20))
    ids = session.question_ids("And for boats?", [turn])
    cache = session._context.cache
    with cache.appending():
        hidden = session.backbone.encode(ids, cache)
    assert with_history.token_ids[0] == int(session.backbone.logits(hidden[-1:])[0].argmax())


def test_compare_measures_every_method_against_full_recompute(session):
    session.erase(find_text(TEXT, OLD))
    before = states(session)
    came = list(session.stream_compared("What is the toll?", sampling=SHORT))
    first, again = came[: len(usable(session.backbone))], came[len(usable(session.backbone)) :]
    assert [answer.method for answer in first] == usable(session.backbone)
    assert first[-1].method == "full_recompute"
    assert all(answer.kl is None for answer in first[:-1])
    assert [(a.method, a.token_ids, a.erase_s) for a in again] == [
        (a.method, a.token_ids, a.erase_s) for a in first[:-1]
    ]
    answers = {answer.method: answer for answer in session.compare("What is the toll?", sampling=SHORT)}
    assert list(answers) == usable(session.backbone)
    assert (answers["full_recompute"].agreement, answers["full_recompute"].kl) == (1.0, 0.0)
    for answer in answers.values():
        assert answer.error is None
        assert 0 <= answer.agreement <= 1
        assert answer.kl > -1e-6
    assert answers["none"].kl > 1e-4
    session.ask("x", "kveraser", sampling=SHORT)
    assert same(states(session), before)


def test_compare_without_a_reference_has_no_agreement(session):
    (answer,) = session.compare("What?", ["mask"], sampling=SHORT)
    assert answer.agreement is None
    with pytest.raises(UnknownMethod):
        session.compare("What?", ["forget"])


def test_without_an_eraser_compare_says_so_and_goes_on(llama):
    session = DocumentSession.load(llama, Document(TEXT, "a"))
    assert session.default_method == "local_repair"
    session.mark(find_text(TEXT, OLD))
    answers = session.compare("What?", ["kveraser", "mask"], sampling=SHORT)
    assert "No eraser is loaded" in str(answers[0].error)
    assert answers[1].error is None


def test_a_failed_erase_loses_nothing(llama):
    session = DocumentSession.load(llama, Document(TEXT, "a"))
    session.erase([Span(0, 20)], "mask")
    spans = session.spans
    with pytest.raises(Exception, match="No eraser"):
        session.erase([Span(40, 60)], "kveraser")
    with pytest.raises(SpanError):
        session.erase([Span(40, 10**6)])
    assert session.spans == spans
    assert session.ask("What?", "mask", sampling=SHORT).token_ids


@pytest.mark.parametrize("question", ["", "  \n", "word " * 2000])
def test_questions_that_cannot_be_asked(session, question):
    with pytest.raises(QuestionError):
        session.ask(question)
    assert session.ask("What?", sampling=SHORT).token_ids


def test_an_answer_ends_where_the_room_does(session):
    prompt = session.question_ids("What?")
    answer = session.ask("What?", "none", sampling=Sampling(max_tokens=10**6))
    room = session._context.headroom - len(prompt) + 1
    assert len(answer.token_ids) == room or answer.finished


def test_a_document_that_is_too_long_is_refused_with_the_pages_that_fit(llama):
    page = "Some words on a page. " * 8
    text = "\n\n".join([page] * 30)
    starts = tuple(number * (len(page) + 2) for number in range(30))
    with pytest.raises(DocumentTooLong, match=r"tokens and tiny has room for \d+: pages 1-\d+ of 30") as caught:
        DocumentSession.load(llama, Document(text, "long.pdf", starts))
    last = int(str(caught.value).split("pages 1-")[1].split()[0])
    document = Document(text, "long.pdf", starts)
    DocumentSession.load(llama, document.pages(1, last))
    with pytest.raises(DocumentTooLong):
        DocumentSession.load(llama, document.pages(1, last + 1))
    with pytest.raises(DocumentTooLong, match="shorter document"):
        DocumentSession.load(llama, Document(text, "long.txt"))


def test_loading_can_be_watched_and_cancelled(llama):
    seen = []
    DocumentSession.load(llama, Document(TEXT, "a"), lambda *progress: seen.append(progress))
    assert seen[-1][0] == seen[-1][1]
    with pytest.raises(Cancelled):
        DocumentSession.load(llama, Document(TEXT, "a"), cancelled=lambda: True)


def test_threads_take_turns(session):
    (span,) = find_text(TEXT, OLD)
    session.erase([span])
    names = usable(session.backbone)
    expected = {name: session.ask("What is the toll?", name, sampling=SHORT).token_ids for name in names}
    results: list[tuple[str, tuple[int, ...]]] = []

    def ask(name: str) -> None:
        results.append((name, session.ask("What is the toll?", name, sampling=SHORT).token_ids))

    threads = [threading.Thread(target=ask, args=(name,)) for name in [*names, *names]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2 * len(names)
    assert all(expected[name] == tokens for name, tokens in results)


def test_two_sessions_on_one_backbone_do_not_see_each_other(session):
    other = DocumentSession.load(session.backbone, Document("Another text about ships and lamps. " * 5, "b"))
    alone = other.ask("What?", sampling=SHORT).token_ids
    erasing = threading.Thread(target=lambda: [session.erase([Span(n, n + 20)]) for n in range(0, 100, 5)])
    erasing.start()
    answers = [other.ask("What?", sampling=SHORT).token_ids for _ in range(10)]
    erasing.join()
    assert answers == [alone] * 10
