"""A context that grows: what is appended is prefilled as the chat template has it, and is erased like the rest."""

import pytest
import torch

from kveraser_core.documents import Document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.spans import Span, SpanError
from kveraser_core.model.backbone import HalfCharacter
from kveraser_core.model.generation import Cancelled, Sampling
from kveraser_core.model.prompts import SYSTEM
from kveraser_core.sessions.segments import NoRoomToAppend
from kveraser_core.sessions.session import DocumentSession
from tests.tiny import TEXT

SHORT = Sampling(max_tokens=4)


@pytest.fixture
def session(llama):
    return DocumentSession.load(llama, Document(TEXT, "harbour.txt"))


def filled(cache):
    return [states.clone() for layer in cache.editable for states in layer.filled()]


def test_turns_are_what_the_chat_template_makes_of_the_conversation(session):
    session.append("Who pays?", "user")
    session.append("Ships <|im_end|> pay.", "assistant")
    session.append("The tide is high.", "tool")
    session.append("Ferries are free.", "document", "ferries.txt")
    session.append("And boats?", "user")
    session.append("Nothing.", "assistant")
    messages = [
        ("system", SYSTEM),
        ("user", f"Document:\n{TEXT}\n\nQuestion: Who pays?"),
        ("assistant", "Ships <|im_end|> pay."),
        ("user", "Output of a tool:\nThe tide is high.\n\nDocument:\nFerries are free.\n\nQuestion: And boats?"),
        ("assistant", "Nothing."),
        ("user", "Question: When?"),
    ]
    tokenizer = session.backbone.tokenizer
    expected = tokenizer.apply_chat_template(
        [{"role": role, "content": content} for role, content in messages], tokenize=False, add_generation_prompt=True
    )
    ids = [*session.kept_ids, *session.question_ids("When?")]
    assert tokenizer.decode(ids) == expected
    ends = expected.count("<|im_end|>") - 1
    assert ids.count(tokenizer.convert_tokens_to_ids("<|im_end|>")) == ends  # the text's own is data


def test_what_is_appended_has_the_states_of_one_prefill(session):
    session.append("Who pays?", "user")
    session.append("Ships pay.", "assistant")
    at_once = session.backbone.new_cache(session._context.cache.capacity)
    session.backbone.encode(session.kept_ids, at_once, 0)
    assert len(session.kept_ids) == at_once.length == session._context.cache.length
    for left, right in zip(filled(session._context.cache), filled(at_once), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-4)


def test_segments_are_named_and_can_be_erased_and_restored(session):
    first = session.append("Ferries are free of any toll.", "document", "ferries.txt")
    second = session.append("Are they?", "user")
    assert [(segment.name, segment.role) for segment in session.segments] == [
        ("harbour.txt", "document"), ("ferries.txt", "document"), ("user", "user"),
    ]  # fmt: skip
    text = session.document.text
    assert text == f"{TEXT}\n\nFerries are free of any toll.\n\nAre they?"
    assert text[second.characters.start : second.characters.end] == "Are they?"
    before = session.kept_ids
    session.erase([first.characters])
    (erased,) = session.spans
    assert (erased.text, erased.tokens) == ("Ferries are free of any toll.", first.tokens)
    assert len(session.kept_ids) == len(before) - first.tokens
    assert session.ask("What is free?", sampling=SHORT).token_ids
    session.undo()
    assert session.kept_ids == before
    session.erase(find_text(text, "free of any"))
    assert session.spans[0].text.strip() == "free of any"
    session.restore(first.characters)
    assert session.spans == []


def test_a_span_over_two_segments_leaves_what_stands_between_them(session):
    session.append("Who pays?", "user")
    answer = session.append("Ships pay.", "assistant")
    end = session.backbone.tokenizer.convert_tokens_to_ids("<|im_end|>")
    ends = session.kept_ids.count(end)
    session.erase([Span(len(TEXT) - 10, answer.characters.end)])
    assert [span.text for span in session.spans][1:] == ["Who pays?", "Ships pay."]
    assert session.kept_ids.count(end) == ends
    session.restore(Span(0, len(session.document.text)))
    assert session.spans == []
    with pytest.raises(SpanError, match="between two parts"):
        session.erase([Span(len(TEXT), len(TEXT) + 1)])


def test_after_an_edit_the_exact_cache_grows_along(session, background):
    session.erase([Span(0, 30)])
    session.make_exact()
    kept = session._exact._held
    session.append("Ferries are free.")
    assert session.exactness.state == "working"
    while background[-1].step() != "done":
        pass
    assert set(kept) & set(session._exact._held) or len(kept) == 1
    assert session.exactness.state == "exact"
    fresh = DocumentSession.load(session.backbone, Document(TEXT, "a"), exact_soon=False)
    fresh.append("Ferries are free.")
    fresh.erase([Span(0, 30)])
    expected = fresh.ask("What is free?", "full_recompute", sampling=SHORT)
    answer = session.ask("What is free?", sampling=SHORT)
    assert (answer.exact, answer.token_ids) == (True, expected.token_ids)


def test_what_does_not_fit_is_refused_with_both_numbers(session):
    before = session.kept_ids, filled(session._context.cache)
    with pytest.raises(NoRoomToAppend, match=r"long.txt has [\d,]+ tokens and \d+ can be appended"):
        session.append(TEXT * 9, name="long.txt")
    with pytest.raises(NoRoomToAppend, match="tool is empty"):
        session.append("", "tool")
    with pytest.raises(Cancelled):
        session.append("Ferries are free.", cancelled=lambda: True)
    assert session.kept_ids == before[0]
    assert all(map(torch.equal, filled(session._context.cache), before[1]))
    assert len(session.segments) == 1


@pytest.mark.parametrize("text", ["Who \ud800?", "\udc00"])
def test_half_a_character_is_refused_and_nothing_is_changed(session, text):
    before = session.kept_ids
    for change in (
        lambda: session.ask(text, sampling=SHORT),
        lambda: session.append(text),
        lambda: session.replace([Span(0, 5)], text),
    ):
        with pytest.raises(HalfCharacter, match="half of one"):
            change()
    assert (session.kept_ids, session.spans, len(session.segments)) == (before, [], 1)
