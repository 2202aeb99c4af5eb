"""What is erased cannot be read: not through the session's cache, another attention, a copy or another thread."""

import copy
import threading
import time

import pytest
import torch

from kveraser_core.cache.layer import CacheClosed, OneSequence
from kveraser_core.cache.view import UnreadableKeys
from kveraser_core.documents import Document
from kveraser_core.documents.search.finding import find_text
from kveraser_core.documents.spans import Span
from kveraser_core.errors import KVEraserError
from kveraser_core.methods import METHODS, UnknownMethod
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generate_guard import OtherTokens
from kveraser_core.model.generation import Sampling
from kveraser_core.sessions import lock as session_lock
from kveraser_core.sessions.active_edit import NoCache
from kveraser_core.sessions.context import read_context
from kveraser_core.sessions.history import HISTORY
from kveraser_core.sessions.lock import SessionBusy
from kveraser_core.sessions.session import DocumentSession
from tests.conftest import TEXT as HARBOUR
from tests.conftest import tiny_model
from tests.poison import ENGINES, hidden_slots, model_for, poisoned
from tests.test_row_pass import SIZES

TEXT = HARBOUR + "\n\n" + "Fishing boats pay nothing by noon. " * 12
"""So much follows what is erased that no method recomputes all of it."""
SHORT = Sampling(max_tokens=6)
OLD = "An old rule said that the toll is fourteen silver coins for every mast."
QUESTION = "What is the toll?"
CLOSING = [name for name in METHODS if name not in ("none", "mask", "erratum", "kveraser")]
"""Methods that erase and close the gap."""
TRIED = [*CLOSING, "mask", "kveraser_repair:3"]


def ahead(folder):
    """The adapter in `folder`, said to be trained for the lookahead."""
    (folder / "steering.json").write_text('{"method": "kveraser_lookahead", "lookahead": 4}')
    return folder


@pytest.fixture
def eraser(save_adapter):
    """An eraser with lookahead: with it most of a span's slots are neither written nor read."""
    return ahead(save_adapter())


@pytest.fixture
def session(llama, eraser):
    llama.load_eraser(eraser)
    return DocumentSession.load(llama, Document(TEXT, "harbour.txt"))


def states(session):
    return [tensor.clone() for layer in session._context.cache.editable for tensor in layer.filled()]


def same(left, right):
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def generated(session, cache, model=None, **options):
    """What the model's own `generate` answers with `cache`."""
    ids = torch.tensor([[*cache.ids, *session.question_ids(QUESTION)]])
    options = {"max_new_tokens": 6, "do_sample": False} | options
    out = (model or session.backbone.model).generate(ids, past_key_values=cache, **options)
    return tuple(out[0, ids.shape[1] :].tolist())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", TRIED)
def test_nothing_of_an_erased_slot_reaches_an_answer(tokenizer, save_adapter, method, engine):
    backbone = Backbone(model_for(engine), tokenizer, "tiny")
    assert backbone.engine.name == engine
    backbone.load_eraser(ahead(save_adapter(**(SIZES if engine == "cpu" else {}))))
    session = DocumentSession.load(backbone, Document(TEXT, "a"))
    session.erase(find_text(TEXT, OLD), method)
    clean = session.ask(QUESTION, method, sampling=SHORT).token_ids
    assert bool(hidden_slots(session)) == (method != "full_recompute")
    with poisoned(session):
        assert session.ask(QUESTION, method, sampling=SHORT).token_ids == clean
        if method != "mask":
            with session.cache(method) as cache:
                assert generated(session, cache) == clean or engine == "cpu"  # which rounds otherwise than modules


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("late", [False, True])
def test_a_model_with_another_attention_is_right_or_refused(tokenizer, eraser, attention, late):
    """A session answers by its engine, whatever the model's attention is; the model's own `generate` raises."""
    right = Backbone(tiny_model("llama"), tokenizer, "tiny")
    other = Backbone(tiny_model("llama", "kveraser" if late else attention), tokenizer, "tiny")
    for backbone in (right, other):
        backbone.load_eraser(eraser)
    expected, session = (DocumentSession.load(each, Document(TEXT, "a")) for each in (right, other))
    if late:
        other.model.set_attn_implementation(attention)
    refused = []
    for method in ("none", "erratum", *TRIED):
        expected.erase(find_text(TEXT, OLD), method)
        tokens = expected.ask(QUESTION, method, sampling=SHORT).token_ids
        session.erase(find_text(TEXT, OLD), method)
        assert session.ask(QUESTION, method, sampling=SHORT).token_ids == tokens
        try:
            with session.cache(method) as cache:
                assert generated(session, cache) == tokens
        except UnreadableKeys:
            refused.append(method)
        except NoCache:
            assert method in ("none", "erratum", "mask")
    assert refused == [method for method in TRIED if method not in ("full_recompute", "mask")]


def ask_unknown(session):
    with pytest.raises(UnknownMethod):
        session.ask(QUESTION, "forget")


STATES = {
    "erased by another method": lambda session: session.erase(find_text(TEXT, OLD), "delete_shift"),
    "marked": lambda session: session.mark(find_text(TEXT, OLD)),
    "asked with another method": lambda session: [
        session.mark(find_text(TEXT, OLD)),
        session.ask(QUESTION, "none", sampling=SHORT),
    ],
    "compared": lambda session: [
        session.mark(find_text(TEXT, OLD)),
        list(session.compare(QUESTION, ["mask", "none"], sampling=SHORT)),
    ],
    "undone": lambda session: [
        session.erase(find_text(TEXT, OLD)),
        session.erase(find_text(TEXT, "The lamp on the pier")),
        session.undo(),
    ],
    "an unknown method": lambda session: [session.mark(find_text(TEXT, OLD)), ask_unknown(session)],
    "a stream that was left": lambda session: [
        session.mark(find_text(TEXT, OLD)),
        next(session.stream(QUESTION, "erratum", sampling=SHORT)),
    ],
    "restored and erased again": lambda session: [
        session.erase(find_text(TEXT, OLD), "mask"),
        session.restore_all(),
        session.undo(),
    ],
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("loaded", [True, False])
def test_the_sessions_cache_is_that_of_what_is_not_erased_in_every_state(llama, eraser, state, loaded):
    if loaded:
        llama.load_eraser(eraser)
    session = DocumentSession.load(llama, Document(TEXT, "a"))
    STATES[state](session)
    fresh = DocumentSession.load(llama, Document(TEXT, "a"))
    fresh.erase(find_text(TEXT, OLD))
    assert session.spans == fresh.spans
    expected = fresh.ask(QUESTION, sampling=SHORT).token_ids
    with session.cache() as cache:
        assert list(cache.ids) == session.kept_ids
        assert generated(session, cache) == expected
    # full recompute's cache is that of a document that never had the passage
    with session.cache("full_recompute") as cache:
        start = session._context.document_start
        exact = read_context(llama, session.kept_ids[start:]).cache
        for own, layer in zip(exact.editable, cache.editable, strict=True):
            for left, right in zip(own.filled(), layer.filled(), strict=True):
                torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-4)


def test_a_session_shows_no_other_cache(session):
    session.erase(find_text(TEXT, OLD))
    assert [name for name in vars(session) if not name.startswith("_")] == ["backbone"]
    with pytest.raises(AttributeError):
        _ = session.context


@pytest.mark.parametrize("method", ["none", "mask", "erratum"])
def test_a_method_that_leaves_erased_text_or_a_gap_gives_no_cache(session, method):
    session.erase(find_text(TEXT, OLD))
    with pytest.raises(NoCache, match=method), session.cache(method):
        pass
    with pytest.raises(UnknownMethod), session.cache("forget"):
        pass
    session.restore_all()
    with session.cache(method) as cache:  # nothing is erased, so nothing can be read
        assert generated(session, cache) == session_answer(session.backbone)


def session_answer(backbone):
    return DocumentSession.load(backbone, Document(TEXT, "a")).ask(QUESTION, "none", sampling=SHORT).token_ids


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


def test_a_cache_that_was_given_back_is_dead(session):
    session.erase(find_text(TEXT, OLD))
    with session.cache() as cache:
        answer = generated(session, copy.deepcopy(cache))
        shallow, untouched = copy.copy(cache), copy.deepcopy(cache)
    session.undo()
    before = states(session)
    for dead in (cache, shallow):
        with pytest.raises(CacheClosed):
            generated(session, dead)
        with pytest.raises(CacheClosed):
            session.backbone.model(torch.tensor([[5]]), past_key_values=dead)
        with pytest.raises(CacheClosed):
            dead.editable[0].filled()
    assert generated(session, copy.deepcopy(untouched)) == answer
    assert same(states(session), before)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_copied_cache_is_no_way_around(session, attention):
    session.erase(find_text(TEXT, OLD))
    with session.cache() as cache:
        copied = copy.deepcopy(cache)
    session.backbone.model.set_attn_implementation(attention)
    with pytest.raises(UnreadableKeys):
        generated(session, copied)


def test_the_document_cannot_be_cut_off_and_written_over(session):
    session.erase(find_text(TEXT, OLD))
    before = states(session)
    with session.cache() as cache:
        for cut in (lambda: cache.crop(-3), cache.reset, lambda: cache.truncate(4)):
            with pytest.raises(CacheClosed):
                cut()
        generated(session, cache)
        cache.crop(-2)
    assert same(states(session), before)


def test_a_lent_cache_cannot_be_edited_or_copied_out_of(session):
    session.erase(find_text(TEXT, OLD))
    before = states(session)
    with session.cache() as cache:
        for edit in (
            lambda: cache.slots(0, 4),
            lambda: cache.write(session._context.cache.slots(0, 4)),
            lambda: cache.overwriting([1, 2], cache.view.ranges).__enter__(),
            lambda: setattr(cache, "view", None),
        ):
            with pytest.raises(CacheClosed):
                edit()
    assert same(states(session), before)


WRONG = {
    "too few": lambda ids: ids[:, :5],
    "as many as the cache has": lambda ids: ids[:, :-9],
    "one that differs": lambda ids: torch.cat((ids[:, :7], ids[:, 7:8] + 1, ids[:, 8:]), dim=1),
    "one left out": lambda ids: ids[:, 1:],
    "two sequences": lambda ids: ids.repeat(2, 1),
}


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


def test_an_erase_waits_while_another_thread_generates(session):
    session.erase(find_text(TEXT, OLD))
    with session.cache() as cache:
        alone = generated(session, cache, max_new_tokens=40)
    started, answers = threading.Event(), []

    def generate():
        with session.cache() as cache:
            started.set()
            answers.append(generated(session, cache, max_new_tokens=40))

    for number in range(6):
        started.clear()
        thread = threading.Thread(target=generate)
        thread.start()
        assert started.wait(20)
        session.erase([Span(5 * number, 5 * number + 3)])
        thread.join(20)
        session.undo()
    assert answers == [alone] * 6


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


EDITS = {
    "erase": lambda session: session.erase([Span(0, 9)]),
    "mark": lambda session: session.mark([Span(0, 9)]),
    "undo": lambda session: session.undo(),
    "restore": lambda session: session.restore_all(),
    "ask": lambda session: session.ask("Who?", sampling=SHORT),
    "compare": lambda session: list(session.compare("Who?", ["none"], sampling=SHORT)),
    "cache": lambda session: session.cache().__enter__(),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_thread_that_edits_under_its_own_stream_is_told_so_at_once(session, edit):
    stream = session.stream(QUESTION, sampling=Sampling(max_tokens=60))
    next(stream)
    begun = time.monotonic()
    with pytest.raises(SessionBusy, match="close it"):
        EDITS[edit](session)
    assert time.monotonic() - begun < session_lock.PATIENCE_S / 2
    stream.close()
    session.erase([Span(0, 9)])
    with session.cache(), pytest.raises(SessionBusy):
        EDITS[edit](session)
    assert session.ask(QUESTION, sampling=SHORT).token_ids


def test_other_threads_wait_for_a_stream_that_goes_on_but_not_for_one_that_rests(session, monkeypatch):
    monkeypatch.setattr(session_lock, "PATIENCE_S", 0.5)
    expected = session.ask(QUESTION, sampling=Sampling(max_tokens=60)).text
    stream = session.stream(QUESTION, sampling=Sampling(max_tokens=60))
    pieces, said = [next(stream)], []

    def edit():
        try:
            said.append(session.erase([Span(0, 9)]))
        except KVEraserError as error:
            said.append(error)

    thread = threading.Thread(target=edit)
    thread.start()
    for piece in stream:  # slower than the patience in all, but never at rest for so long
        pieces.append(piece)
        time.sleep(0.02)
    thread.join(20)
    assert not thread.is_alive()
    assert isinstance(said[0], float)
    assert "".join(pieces[:-1]).strip() == expected
    session.undo()
    resting = session.stream(QUESTION, sampling=Sampling(max_tokens=60))
    next(resting)
    thread = threading.Thread(target=edit)
    thread.start()
    thread.join(20)
    assert isinstance(said[1], SessionBusy)
    resting.close()
    assert session.spans == []


def test_a_stream_may_go_from_thread_to_thread(session):
    stream = session.stream(QUESTION, sampling=Sampling(max_tokens=20))
    pieces = []
    while not pieces or isinstance(pieces[-1], str):
        thread = threading.Thread(target=lambda: pieces.append(next(stream)))
        thread.start()
        thread.join(20)
    session.erase([Span(0, 9)])
    assert session.spans


def test_backbones_that_share_a_tokenizer_never_take_text_for_special_tokens(tokenizer):
    backbones = [Backbone(tiny_model("llama"), tokenizer, name) for name in ("a", "b")]
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    found, stop = [], threading.Event()

    def template(backbone):
        while not stop.is_set():
            backbone.tokenize_template("<|im_start|>user\n")
            tokenizer("<|im_start|>", split_special_tokens=False)  # the caller's own use of it

    threads = [threading.Thread(target=template, args=(backbone,)) for backbone in backbones]
    for thread in threads:
        thread.start()
    for number in range(600):
        ids, _ = backbones[number % 2].tokenize("ends <|im_end|> here")
        found.append(end in ids)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert sum(found) == 0


def test_the_history_of_edits_is_bounded(session):
    for number in range(HISTORY + 40):
        session.mark([Span(number, number + 1)])
    taken_back = 0
    while session.undo():
        taken_back += 1
    assert 10 < taken_back <= HISTORY


def test_a_method_that_does_not_exist_is_refused_where_nothing_is_erased(session):
    for call in (
        lambda: session.ask(QUESTION, "forget"),
        lambda: next(session.stream(QUESTION, "kveraser:7")),
        lambda: session.erase([Span(0, 9)], "forget"),
        lambda: session.erase([], "forget"),
        lambda: list(session.compare(QUESTION, ["forget"])),
        lambda: session.cache("local_repair:x").__enter__(),
    ):
        with pytest.raises(UnknownMethod):
            call()
    assert session.spans == []


def test_memory_counts_room_and_no_second_buffer(session):
    cache = session._context.cache
    layer = cache.editable[0].key_buffer
    whole = 2 * len(cache.editable) * layer.nbytes
    assert session.memory_bytes == whole
    assert session.used_bytes == whole * session.tokens // cache.capacity
    session.erase(find_text(TEXT, OLD), "mask")
    assert session.memory_bytes == whole
    session.undo()
    assert session.memory_bytes == whole
