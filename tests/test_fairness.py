"""One client against the others, over HTTP: a served tiny model, each client at an address of its own."""

import ast
import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio_client import Client as GradioClient
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from app import clients, jobs
from app.clients import AT_ONCE, RateLimit, client_of
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Cancelled
from tests.crowd import Client, Record, Refused, behave, misbehave, served, text
from tests.serving import run_beside
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def backbone(tokenizer):
    """A model that never ends an answer by itself."""
    tiny = Backbone(tiny_model("llama"), tokenizer, "tiny")
    tiny.end_ids = frozenset()
    return tiny


@pytest.fixture(scope="module")
def server(backbone):
    port, store = served(backbone, documents=8)
    yield SimpleNamespace(port=port, store=store)
    backbone.encode = no_more  # what is still under way ends, so that the process can


def no_more(*_, **__):
    raise Cancelled("The tests are over.")


@pytest.fixture
def slow(backbone, monkeypatch):
    """Every pass takes a while, so that a long answer takes half a minute; how many passes there were."""
    encode, passes = backbone.encode, Counter()

    def slowly(*arguments, **named):
        passes["done"] += 1
        time.sleep(0.05)
        return encode(*arguments, **named)

    monkeypatch.setattr(backbone, "encode", slowly)
    return passes


def idle_within(passes: Counter, seconds: float) -> bool:
    """Whether the model comes to rest within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = passes["done"]
        time.sleep(0.5)
        if passes["done"] == before:
            return True
    return False


def begun(passes: Counter) -> None:
    """Wait until an answer is well under way."""
    before, deadline = passes["done"], time.monotonic() + 20
    while passes["done"] < before + 5:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_answer_longer_than_the_cap_is_refused_with_a_sentence(server):
    client = Client(server.port, "127.0.0.10")
    session = client.call("load", text(3), "a")["session"]
    with pytest.raises(Refused, match="100,000 tokens was asked for and 1,024 are the most"):
        client.call("ask", session, "All?", "", 100_000, False, True, False)
    with pytest.raises(Refused, match="at least one token"):
        client.call("ask", session, "All?", "", 0, False, True, False)
    with pytest.raises(Refused, match="256 are the most"):
        client.call("compare", session, "All?", ["none"], 257, True)
    assert len(client.call("compare", session, "All?", ["none", "none", "mask"], 2, True)) == 2


def asked(server, address: str) -> tuple[Client, str]:
    client = Client(server.port, address)
    return client, client.call("load", text(3), "a")["session"]


def test_who_hangs_up_frees_the_model(server, slow):
    client, session = asked(server, "127.0.0.11")
    connection = client.listen("ask", client.begin("ask", session, "All?", "", 900, False, True, False))
    begun(slow)
    connection.close()
    assert idle_within(slow, 10)


def test_who_never_listens_frees_the_model(server, slow, monkeypatch):
    monkeypatch.setattr(clients, "UNHEARD_S", 1.0)
    client, session = asked(server, "127.0.0.12")
    client.begin("ask", session, "All?", "", 900, False, True, False)
    begun(slow)
    assert idle_within(slow, 5)


def test_a_job_that_is_cancelled_frees_the_model(server, slow):
    client = GradioClient(f"http://127.0.0.1:{server.port}", verbose=False)
    session = client.predict(text=text(3), title="a", api_name="/load")["session"]
    job = client.submit(session=session, question="All?", max_tokens=900, api_name="/ask")
    begun(slow)
    job.cancel()
    assert idle_within(slow, 15)


def test_an_mcp_client_that_goes_frees_the_model(server, slow):
    async def run() -> None:
        async with (
            streamablehttp_client(f"http://127.0.0.1:{server.port}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as mcp,
        ):
            await mcp.initialize()
            loaded = await mcp.call_tool("load", {"text": text(3)})
            session = ast.literal_eval(loaded.content[0].text)["session"]
            call = asyncio.create_task(
                mcp.call_tool("ask", {"session": session, "question": "All?", "max_tokens": 900, "longer": True})
            )
            await asyncio.to_thread(begun, slow)
            call.cancel()

    run_beside(run)
    assert idle_within(slow, 10)


def test_an_answer_ends_when_its_time_is_over_and_says_so(server, slow, monkeypatch):
    monkeypatch.setattr(jobs, "LONGEST_S", 1.0)
    client, session = asked(server, "127.0.0.13")
    answer = client.call("ask", session, "All?", "", 900, False, True, False)
    assert not answer["finished"]
    assert answer["text"]
    assert "A request may have the model for" in answer["error"]
    first, *rest = client.call("compare", session, "All?", ["none", "mask", "delete_shift"], 30, True)
    assert first["error"] is None
    assert all("may have the model" in other["error"] for other in rest)


def requested(host: str, **headers: str) -> gr.Request:
    return gr.Request(SimpleNamespace(client=SimpleNamespace(host=host), headers=headers))


def test_a_client_is_its_address_whatever_it_says_about_itself():
    assert client_of(requested("10.0.0.7", **{"x-forwarded-for": "1.2.3.4"})) == "10.0.0.7"
    assert client_of(requested("::ffff:10.0.0.7")) == "10.0.0.7"
    assert client_of(requested("2001:db8::1")) == client_of(requested("2001:db8::ffff:2"))
    assert client_of(requested("2001:db8::1")) != client_of(requested("2001:db8:0:1::1"))


def test_a_flood_is_turned_away_and_others_are_not():
    statuses: Counter[tuple[str, int]] = Counter()

    async def send_many(door: Callable, host: str, count: int) -> None:
        async def send(message):
            if message["type"] == "http.response.start":
                statuses[host, message["status"]] += 1

        async def nothing(scope, receive, send):
            statuses[host, 200] += 1

        door.app = nothing
        scope = {"type": "http", "method": "POST", "path": "/a", "headers": [], "client": (host, 1)}
        for _ in range(count):
            await door(scope, None, send)

    door = RateLimit(None)
    run_beside(send_many, door, "10.0.0.1", int(AT_ONCE) + 50)
    run_beside(send_many, door, "10.0.0.2", 1)
    assert statuses["10.0.0.1", 429] >= 30
    assert statuses["10.0.0.1", 200] >= AT_ONCE
    assert statuses["10.0.0.2", 200] == 1


def test_a_hostile_client_neither_delays_the_others_nor_takes_their_documents(server):
    stop, tally = threading.Event(), Counter()
    records = {f"127.0.0.{number}": Record() for number in (2, 3, 4)}
    threads = [
        threading.Thread(target=behave, args=(Client(server.port, address), record, stop))
        for address, record in records.items()
    ]
    hostile = Client(server.port, "127.0.0.66")
    threads += [
        threading.Thread(target=misbehave, args=(hostile, stop, tally, seed), daemon=True) for seed in range(6)
    ]
    for thread in threads:
        thread.start()
    most, deadline = 0, time.monotonic() + 8
    while time.monotonic() < deadline:
        most = max(most, server.store.taken)
        time.sleep(0.05)
    stop.set()
    for thread in threads[: len(records)]:
        thread.join(60)
        assert not thread.is_alive()
    assert tally.total() > 10
    for record in records.values():
        assert record.failed == []
        assert record.answered >= 2
        assert record.longest_s < 30
    assert most <= server.store.budget


def test_questions_and_titles_that_are_far_too_long_are_not_kept(server):
    client = Client(server.port, "127.0.0.31")
    session = client.call("load", text(3), "t" * 9000)
    assert len(session["title"]) == 200
    for name, more in (("ask", ["", 4, False, False, False]), ("compare", [["none"], 4, False])):
        with pytest.raises(Refused, match="too long"):
            client.call(name, session["session"], "why " * 9000, *more)
    assert "why" not in client.call("export", session["session"], "md", False)["text"]
