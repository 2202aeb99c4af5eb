"""A model's own `generate` on a session's cache: right, or refused."""

import threading

import pytest
import torch

from kveraser_core.cache.layer import OneSequence
from kveraser_core.cache.view import UnreadableKeys
from kveraser_core.documents import Document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generate_guard import OtherTokens
from kveraser_core.sessions.session import DocumentSession
from tests.doors_cache.sessions import (
    CLOSING,
    OLD,
    QUESTION,
    SHORT,
    TEXT,
    ahead,
    generated,
    same,
    session_answer,
    states,
)
from tests.tiny import tiny_model

WRONG = {
    "too few": lambda ids: ids[:, :5],
    "as many as the cache has": lambda ids: ids[:, :-9],
    "one that differs": lambda ids: torch.cat((ids[:, :7], ids[:, 7:8] + 1, ids[:, 8:]), dim=1),
    "one left out": lambda ids: ids[:, 1:],
    "two sequences": lambda ids: ids.repeat(2, 1),
}


@pytest.mark.parametrize("method", CLOSING)
def test_generating_leaves_the_session_as_it_was(session, method):
    session.erase(find_text(TEXT, OLD), method)
    before, answer = states(session), session.ask(QUESTION, method, sampling=SHORT).token_ids
    for _ in range(2):
        with session.cache(method) as cache:
            assert generated(session, cache) == answer
            assert cache.length > 0
    with pytest.raises(ZeroDivisionError), session.cache(method) as cache:
        generated(session, cache)[1 // 0]
    assert same(states(session), before)
    assert session.ask(QUESTION, method, sampling=SHORT).token_ids == answer
    session.restore_all()
    assert session.ask(QUESTION, sampling=SHORT).token_ids == session_answer(session.backbone)


@pytest.mark.parametrize("wrong", WRONG)
def test_ids_that_do_not_go_on_from_the_cache_are_refused(session, wrong):
    session.erase(find_text(TEXT, OLD))
    before = states(session)
    with session.cache() as cache:
        ids = torch.tensor([[*cache.ids, *session.question_ids(QUESTION)[:9]]])
        with pytest.raises((OtherTokens, OneSequence)):
            session.backbone.model.generate(WRONG[wrong](ids), past_key_values=cache, max_new_tokens=3)
    whole = torch.tensor([[*session._context.ids, *session.question_ids(QUESTION)]])  # with what is erased
    with session.cache() as cache, pytest.raises(OtherTokens):
        session.backbone.model.generate(whole, past_key_values=cache, max_new_tokens=3)
    assert same(states(session), before)


@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 2},
        {"num_beams": 3, "num_return_sequences": 2},
        {"do_sample": True, "num_return_sequences": 2},
        {"attention_mask": "padding"},
    ],
)
def test_beams_batches_and_padding_are_refused(session, options):
    session.erase(find_text(TEXT, OLD))
    before = states(session)
    with session.cache() as cache:
        if "attention_mask" in options:
            mask = torch.ones(1, len(cache.ids) + len(session.question_ids(QUESTION)), dtype=torch.long)
            mask[0, :3] = 0
            options = {"attention_mask": mask}
        with pytest.raises((OneSequence, OtherTokens)):
            generated(session, cache, **options)
    assert same(states(session), before)


def test_a_batch_given_to_the_model_itself_is_refused(session):
    session.erase(find_text(TEXT, OLD))
    with session.cache() as cache, pytest.raises(OneSequence):
        session.backbone.model(torch.tensor([[5], [6]]), past_key_values=cache)


def test_new_tokens_alone_may_be_given_with_the_whole_mask(session):
    session.erase(find_text(TEXT, OLD))
    with session.cache() as cache:
        question = torch.tensor([session.question_ids(QUESTION)])
        mask = torch.ones(1, len(cache.ids) + question.shape[1], dtype=torch.long)
        out = session.backbone.model.generate(
            question, past_key_values=cache, attention_mask=mask, max_new_tokens=6, do_sample=False
        )
    tokens = tuple(out[0, question.shape[1] :].tolist())
    assert tokens == session.ask(QUESTION, sampling=SHORT).token_ids


@pytest.mark.soak
@pytest.mark.parametrize("attention", ["kveraser", "sdpa"])
def test_a_compiled_model_is_right_or_refused(tokenizer, save_adapter, attention):
    one_layer = {"num_hidden_layers": 1}  # dynamo takes long over each
    backbone = Backbone(tiny_model("llama", **one_layer), tokenizer, "tiny")
    backbone.load_eraser(ahead(save_adapter(**one_layer)))
    session = DocumentSession.load(backbone, Document(TEXT, "a"))
    session.erase(find_text(TEXT, OLD))
    answer = session.ask(QUESTION, sampling=SHORT).token_ids
    backbone.model.set_attn_implementation(attention)
    compiled = torch.compile(backbone.model, backend="eager", dynamic=True)
    ids = torch.tensor([session.question_ids(QUESTION)])
    with session.cache() as cache, torch.no_grad():
        if attention == "kveraser":
            assert int(compiled(ids, past_key_values=cache).logits[0, -1].argmax()) == answer[0]
        else:
            with pytest.raises(UnreadableKeys):
                compiled(ids, past_key_values=cache)


def test_a_models_own_generate_never_has_the_eraser_of_another_session_on(session):
    """An erase runs on the engine's own copies, never on the model's modules."""
    other = DocumentSession.load(session.backbone, Document(TEXT, "b"))
    with session.cache() as cache:
        alone = generated(session, cache, max_new_tokens=40)
    stop = threading.Event()

    def edit():
        while not stop.is_set():
            other.erase(find_text(TEXT, OLD), "kveraser_lookahead")
            other.undo()

    thread = threading.Thread(target=edit)
    thread.start()
    try:
        for _ in range(4):
            with session.cache() as cache:
                assert generated(session, cache, max_new_tokens=40) == alone
    finally:
        stop.set()
        thread.join(20)
