"""What programs are told: what there is to call, with examples that work, and what is wrong in plain sentences."""

import json

import pytest
from gradio_client.exceptions import AppError

from tests.serving import ENDPOINTS, Served

pytestmark = pytest.mark.usefixtures("many_requests")


@pytest.fixture
def examples(served: Served) -> dict[str, dict[str, object]]:
    """The example of each argument, by endpoint; the session and the file are what the server gave."""
    info = served.send("GET", "/gradio_api/info").json["named_endpoints"]
    shown = {
        name.strip("/"): {entry["parameter_name"]: entry["example_input"] for entry in endpoint["parameters"]}
        for name, endpoint in info.items()
    }
    well, loaded = served.call("load", *shown["load"].values())
    assert well, loaded
    given = {"session": loaded["session"], "file": served.uploaded(str(shown["load"]["text"]).encode())}
    return {
        name: {key: given.get(key, value) for key, value in arguments.items()} for name, arguments in shown.items()
    }


def test_it_says_what_answers(served: Served):
    well, said = served.call("about")
    assert well, said
    assert said == {
        "model": "tiny",
        "window": 1024,
        "eraser": None,
        "engine": "torch",
        "dtype": "float32",
        "cache_dtype": "float32",
        "device": "cpu",
    }


def test_every_endpoint_is_described_with_an_example_of_each_argument(served: Served):
    info = served.send("GET", "/gradio_api/info").json
    assert {name.strip("/") for name in info["named_endpoints"]} == ENDPOINTS
    assert info["unnamed_endpoints"] == {}
    for name, endpoint in info["named_endpoints"].items():
        assert len(endpoint["description"]) > 20, name
        (returned,) = endpoint["returns"]
        assert len(returned["label"]) > 10, name
        for entry in endpoint["parameters"]:
            assert entry["python_type"]["description"], (name, entry)
            assert entry["type"]["description"], (name, entry)
            assert entry["example_input"] is not None
            assert entry["python_type"]["type"] in ("str", "int", "bool", "list[str]"), (name, entry)


def test_the_examples_work_as_they_are_given(served: Served, examples):
    for name in (
        "erase",
        "similar",
        "ask",
        "compare",
        "report",
        "replace",
        "export",
        "undo",
        "load",
        "load_file",
        "exactness",
        "append",
        "segments",
    ):
        well, said = served.call(name, *examples[name].values())
        assert well, (name, said)
        if name in ("ask", "compare", "report"):  # they take long
            continue
        joined = served.send("POST", f"/gradio_api/call/v2/{name}", examples[name])
        well, said = served.result(joined, f"/gradio_api/call/{name}/{{}}")
        assert well, (name, said)
        well, said = served.tool(name, examples[name])
        assert well, (name, said)
        json.loads(said)


def test_compare_takes_what_ask_takes(served: Served, examples):
    session = examples["ask"]["session"]
    for method in ("local_repair:64", "mask", "full_recompute"):
        assert served.call("ask", session, "What is the toll?", method, 4, False, False, False)[0]
        well, answers = served.call("compare", session, "What is the toll?", [method], 4, False)
        assert well, answers
        assert [answer["method"] for answer in answers] == [method]


def test_descriptions_show_nothing_else(served: Served):
    assert served.send("GET", "/openapi.json").status == 404
    described = served.send("GET", "/gradio_api/openapi.json").json
    called = {path.rpartition("/")[2] for path in described["paths"] if "/call/v2/" in path}
    assert called == ENDPOINTS
    for path, item in described["paths"].items():
        assert path == "/gradio_api/upload" or any(f"/{name}" in path for name in ENDPOINTS)
        for entry in item.values():
            assert entry["summary"]
    hidden = served.send("GET", "/gradio_api/info?all_endpoints=true").json["named_endpoints"]
    assert {name.strip("/") for name in hidden} == ENDPOINTS
    config = served.send("GET", "/config").json
    public = {entry["api_name"] for entry in config["dependencies"] if entry["api_visibility"] == "public"}
    private = {entry["api_name"].rstrip("_0123456789") for entry in config["dependencies"]} - public
    assert public == ENDPOINTS
    assert private <= {"false", "js_fn", "leave"}
    assert config["show_error"] is False
    tools = served.mcp("tools/list", {})["tools"]
    assert {tool["name"] for tool in tools} == ENDPOINTS
    for tool in tools:
        assert len(tool["description"]) > 20
        assert all(entry["description"] and entry["examples"] for entry in tool["inputSchema"]["properties"].values())


WRONG = [
    ("ask", {"question": 5}, ["question", "text", "5"]),
    ("ask", {"question": None}, ["question", "nothing"]),
    ("ask", {"max_tokens": "many"}, ["max_tokens", "whole number", "many"]),
    ("ask", {"max_tokens": 2.5}, ["max_tokens", "whole number", "2.5"]),
    ("ask", {"max_tokens": True}, ["max_tokens", "whole number", "true"]),
    ("ask", {"method": ["mask"]}, ["method", "text", "mask"]),
    ("erase", {"start": "0"}, ["start", "whole number"]),
    ("erase", {"passage": {"a": 1}}, ["passage", "text", "object"]),
    ("erase", {"whole_words": "no"}, ["whole_words", "true or false", "no"]),
    ("compare", {"methods": "mask"}, ["methods", "list of texts", "mask"]),
    ("compare", {"methods": ["mask", 3]}, ["methods", "list of texts"]),
    ("load_file", {"file": 7}, ["file", "/gradio_api/upload", "7"]),
    ("load", {"text": ["x" * 500]}, ["text", "list"]),
]


@pytest.mark.parametrize(("name", "change", "words"), WRONG)
def test_an_argument_of_the_wrong_type_is_named(served: Served, examples, name: str, change, words):
    arguments = examples[name] | change
    well, said = served.call(name, *arguments.values())
    assert not well
    plain_sentence(said, words)
    well, said = served.tool(name, arguments)
    assert not well
    plain_sentence(said, words)
    joined = served.send("POST", f"/gradio_api/call/v2/{name}", arguments)
    assert joined.status == 422
    plain_sentence(joined.json["detail"], words)


def test_a_missing_or_unknown_argument_is_named(served: Served, examples):
    arguments = dict(examples["ask"])
    del arguments["question"]
    for given, words in (
        (arguments, ["question", "missing", "what you want to know"]),
        (examples["ask"] | {"colour": 1}, ["colour", "question", "max_tokens"]),
        (examples["ask"] | {"x" * 500: 1}, ["no argument"]),
    ):
        well, said = served.tool("ask", given)
        assert not well
        plain_sentence(said, words)
        joined = served.send("POST", "/gradio_api/call/v2/ask", given)
        assert joined.status == 422
        plain_sentence(joined.json["detail"], words)


def number_of(served: Served, name: str) -> int:
    """The number of an endpoint's event."""
    (number,) = (
        event["id"] for event in served.send("GET", "/config").json["dependencies"] if event["api_name"] == name
    )
    return number


@pytest.mark.parametrize("length", [0, 1, 6, 8])
def test_too_few_or_too_many_arguments_are_counted(served: Served, examples, length: int):
    values = [*examples["ask"].values(), "more"][:length]
    well, said = served.call("ask", *values)
    assert not well
    plain_sentence(said, ["ask takes 7 arguments", "session, question, method, max_tokens", f"{length} came"])
    assert "ask takes 7 arguments" in served.event(number_of(served, "ask"), values)


def test_erasing_a_text_says_what_it_took_and_what_it_left(served: Served):
    text = "Ann’s fee is 40 euros. ANN'S FEE IS 40 EUROS. Ann's fee is 45 euros. Annual rent."
    session = served.call("load", text, "fees")[1]["session"]
    well, said = served.call("erase", session, "Ann's fee is 40 euros", 0, 0, "", False)
    assert well, said
    assert said["passage"]["found"] == 2
    (left,) = said["passage"]["not_erased"]
    assert (left["text"], left["reason"]) == ("Ann's fee is 45 euros", '"45" for "40"')
    assert text[left["start"] : left["end"]] == left["text"]
    well, said = served.tool("erase", {"session": session, "passage": "Ann"})
    assert json.loads(said)["passage"]["longer_words"] == ["Annual"]
    session = served.call("load", text, "fees")[1]["session"]
    well, said = served.call("erase", session, "Ann", 0, 0, "", True)
    assert (said["passage"]["found"], said["passage"]["longer_words"]) == (3, [])


def test_defaults_are_filled_in(served: Served, examples):
    session = examples["ask"]["session"]
    well, answer = served.call("ask", session, "What is the toll?", None, 2, None, None, None)
    assert well, answer
    assert answer["method"] == "local_repair"
    assert served.call("export", session, None, False)[1]["mime"] == "application/json"
    assert served.tool("export", {"session": session})[0]
    client = served.client()
    assert client.predict(session=session, api_name="/undo")["undone"] is False


def test_errors_are_plain_text_and_true(served: Served, examples):
    """Quotation marks come as they are; the page alone needs them otherwise, since it shows messages as markup."""
    session = examples["ask"]["session"]
    client = served.client()
    for name, arguments, words in (
        ("erase", {"session": session, "start": 0, "end": 10**6}, ["document's", "characters"]),
        (
            "erase",
            {"session": session, "passage": '<b>no such & "words"</b>'},
            ['contain "<b>no such & "words"</b>"'],
        ),
        ("ask", {"session": "guessed", "question": "x"}, ["no longer in memory"]),
        ("compare", {"session": session, "question": "x", "methods": ["it's"]}, ["it's"]),
        ("export", {"session": session, "form": "pdf"}, ["pdf", "md, html, csv, json"]),
    ):
        well, said = served.tool(name, arguments)
        assert not well
        plain_sentence(said, words)
        with pytest.raises(AppError) as raised:
            client.predict(**arguments, api_name=f"/{name}")
        plain_sentence(str(raised.value), words)
    well, said = served.tool("nothing", {})
    assert not well
    plain_sentence(said, ["There is no tool nothing", "load, load_file"])


def test_the_page_gets_the_same_as_markup(served: Served):
    """What a user has typed is not run in the message about it."""
    number = next(
        number
        for number, event in served.blocks.fns.items()
        if event.api_visibility == "private" and "file" in event.name and event.fn
    )
    assert "&#x27;" not in served.event(number, ["", None, "", False])
    from app.events import spoken
    from kveraser_core.documents.spans import SpanError

    def fails() -> None:
        raise SpanError("<img src=x onerror=alert(1)> it's")

    with pytest.raises(Exception, match="&lt;img src=x onerror=alert\\(1\\)&gt; it&#x27;s"):
        spoken(fails)()
    with pytest.raises(Exception, match="<img src=x onerror=alert\\(1\\)> it's"):
        spoken(fails, markup=False)()


def plain_sentence(said: str, words: list[str]) -> None:
    assert all(word in said for word in words), said
    assert "&#" not in said
    assert "&quot;" not in said
    assert "show_error" not in said
    assert "Traceback" not in said
    assert len(said) < 400
    assert said.rstrip()[-1] in ".:"
