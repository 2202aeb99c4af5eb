import pytest
import torch

from kveraser_core.errors import KVEraserError
from kveraser_core.model import generation
from kveraser_core.model.generation import Cancelled, Generated, Sampling, agreement, answer_logits, generate, prefill
from tests.tiny import TEXT, tiny_model

CUT_CHARACTER = "\N{REPLACEMENT CHARACTER}"


@pytest.fixture
def read(backbone):
    """A cache behind TEXT, and a prompt."""
    ids = backbone.tokenize(TEXT)[0]
    cache = backbone.new_cache(len(ids) + 200)
    prefill(backbone, ids, cache)
    return ids, cache, backbone.tokenize("\n\nThe toll")[0]


def run(backbone, cache, prompt, **sampling):
    *pieces, generated = generate(backbone, cache, prompt, Sampling(**sampling))
    assert isinstance(generated, Generated)
    assert "".join(pieces) == generated.text
    return generated


def test_greedy_answers_are_those_of_transformers(backbone, read):
    ids, cache, prompt = read
    generated = run(backbone, cache, prompt, max_tokens=20)
    plain = tiny_model(backbone.model.config.model_type, "sdpa")
    expected = plain.generate(torch.tensor([ids + prompt]), max_new_tokens=20, do_sample=False, pad_token_id=0)
    assert generated.token_ids == expected[0, len(ids + prompt) :].tolist()
    whole = backbone.tokenizer.decode(generated.token_ids, skip_special_tokens=True)
    assert generated.text == whole.rstrip(CUT_CHARACTER)


def test_the_cache_is_as_it_was_even_when_nobody_listens_to_the_end(backbone, read):
    ids, cache, prompt = read
    before = [tensor.clone() for layer in cache.editable for tensor in layer.filled()]
    stream = generate(backbone, cache, prompt, Sampling(max_tokens=30))
    next(stream)
    stream.close()
    assert cache.length == len(ids)
    after = [tensor for layer in cache.editable for tensor in layer.filled()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_end_token_ends_the_answer_and_is_not_shown(backbone, read):
    _, cache, prompt = read
    free = run(backbone, cache, prompt, max_tokens=10)
    backbone.end_ids = frozenset([free.token_ids[4]])
    ended = run(backbone, cache, prompt, max_tokens=10)
    first = free.token_ids.index(free.token_ids[4])
    assert ended.token_ids == free.token_ids[: first + 1]
    assert ended.finished
    assert not free.finished
    assert ended.text == backbone.text_of(free.token_ids[:first]).rstrip(CUT_CHARACTER)


def test_stop_strings_are_never_shown_not_even_in_part(backbone, read):
    _, cache, prompt = read
    free = run(backbone, cache, prompt, max_tokens=30)
    stop = free.text[12:18]
    stopped = run(backbone, cache, prompt, max_tokens=30, stop=(stop, "never there"))
    assert stopped.text == free.text[: free.text.index(stop)]
    assert stopped.finished


def test_an_answer_ends_by_the_rules_as_it_would_read_alone(backbone, read, monkeypatch):
    _, cache, prompt = read
    free = run(backbone, cache, prompt, max_tokens=30)
    monkeypatch.setattr(generation, "end_of", lambda text, brief: (min(len(text), 9 + brief), len(text) > 20))
    assert run(backbone, cache, prompt, max_tokens=30, loops=False).text == free.text[:9]
    brief = run(backbone, cache, prompt, max_tokens=30, brief=True)
    assert brief.text == free.text[:10]
    assert brief.finished
    assert len(brief.token_ids) < 30
    assert run(backbone, cache, prompt, max_tokens=30).text == free.text


def test_sampling_follows_its_seed_and_greedy_is_its_limit(backbone, read):
    _, cache, prompt = read
    options = {"max_tokens": 15, "temperature": 1.5, "top_p": 0.95}
    first = run(backbone, cache, prompt, **options, seed=3)
    assert run(backbone, cache, prompt, **options, seed=3).token_ids == first.token_ids
    assert any(run(backbone, cache, prompt, **options, seed=n).token_ids != first.token_ids for n in range(4, 8))
    narrow = run(backbone, cache, prompt, max_tokens=15, temperature=1.0, top_p=1e-6)
    assert narrow.token_ids == run(backbone, cache, prompt, max_tokens=15).token_ids


@pytest.mark.parametrize("wrong", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.1}, {"max_tokens": 0}])
def test_impossible_sampling_is_refused(wrong):
    with pytest.raises(KVEraserError):
        Sampling(**wrong)


def test_text_comes_in_whole_characters(llama):
    cache = llama.new_cache(50)
    ids = iter([*llama.tokenize("né 👍🏽 字")[0], *llama.end_ids])
    llama.logits = lambda hidden: torch.nn.functional.one_hot(torch.tensor([next(ids)]), 420).float()
    *pieces, generated = generate(llama, cache, llama.tokenize("x")[0], Sampling(max_tokens=40))
    assert "".join(pieces) == generated.text == "né 👍🏽 字"
    assert not any(CUT_CHARACTER in piece for piece in pieces)


def test_every_part_of_the_time_is_counted(backbone, read):
    _, cache, prompt = read
    generated = run(backbone, cache, prompt, max_tokens=5)
    assert min(generated.question_prefill_s, generated.first_token_s, generated.decode_s) > 0
    assert generated.decode_tokens_per_s == 4 / generated.decode_s
    assert run(backbone, cache, prompt, max_tokens=1).decode_tokens_per_s is None


def test_prefill_in_any_chunks_is_the_same(backbone, monkeypatch):
    ids = backbone.tokenize(TEXT)[0]
    whole, parts = backbone.new_cache(len(ids)), backbone.new_cache(len(ids))
    done = []
    prefill(backbone, ids, whole)
    monkeypatch.setattr(generation, "CHUNK", 37)
    prefill(backbone, ids, parts, lambda *progress: done.append(progress))
    for left, right in zip(whole.editable, parts.editable, strict=True):
        torch.testing.assert_close(left.filled()[0], right.filled()[0], atol=2e-5, rtol=1e-4)
    assert done[0] == (37, len(ids))
    assert done[-1] == (len(ids), len(ids))


def test_prefill_can_be_cancelled(backbone, monkeypatch):
    monkeypatch.setattr(generation, "CHUNK", 10)
    ids = backbone.tokenize(TEXT)[0]
    cache = backbone.new_cache(len(ids))
    with pytest.raises(Cancelled):
        prefill(backbone, ids, cache, cancelled=lambda: cache.length >= 20)
    assert cache.length == 20


def test_agreement_by_hand():
    reference = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    other = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    p = torch.tensor([2.0, 0.0]).softmax(0)
    q = torch.tensor([0.0, 1.0]).softmax(0)
    top1, kl = agreement(reference, other)
    assert top1 == 0.5
    assert kl == pytest.approx(float((p * (p / q).log()).sum()) / 2, rel=1e-5)
    assert agreement(reference, reference) == (1.0, 0.0)


def test_answer_logits_are_those_of_a_plain_pass(backbone, read):
    ids, cache, prompt = read
    answer = backbone.tokenize(" is thirty coins")[0]
    logits = answer_logits(backbone, cache, prompt, answer)
    plain = tiny_model(backbone.model.config.model_type, "sdpa")
    with torch.no_grad():
        expected = plain(torch.tensor([ids + prompt + answer])).logits[0, -len(answer) - 1 : -1]
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)
    assert cache.length == len(ids)
