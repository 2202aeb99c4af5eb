"""The same for programs: named endpoints by gradio_client, and MCP tools."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from tests.browser.driving import QUESTION, SECOND, TEXT
from tests.browser.serving import Server
from tests.serving import ENDPOINTS, run_beside

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_a_client_loads_erases_asks_compares_and_exports(server: Server, tmp_path):
    client = Client(server.address, verbose=False)
    file = tmp_path / "harbour.txt"
    file.write_text(TEXT, encoding="utf-8")
    loaded = client.predict(file=handle_file(file), password="", api_name="/load_file")
    assert (loaded["title"], loaded["characters"]) == ("harbour.txt", len(TEXT))
    session = loaded["session"]
    before = client.predict(session=session, question=QUESTION, api_name="/ask")["text"]
    erased = client.predict(session=session, passage=SECOND, api_name="/erase")
    assert [span["text"].strip() for span in erased["erased"]] == [SECOND]
    answer = client.predict(session=session, question=QUESTION, method="full_recompute", api_name="/ask")
    assert answer["ran"] == "full_recompute"
    assert answer["text"] != before
    assert answer["ttft_s"] > 0
    start = TEXT.index("The toll today")
    both = client.predict(session=session, start=start, end=start + 10, api_name="/erase")
    assert len(both["erased"]) == 2
    assert len(client.predict(session=session, api_name="/undo")["erased"]) == 1
    compared = client.predict(
        session=session, question=QUESTION, methods=["none", "full_recompute"], api_name="/compare"
    )
    assert [card["method"] for card in compared] == ["none", "full_recompute"]
    assert compared[1]["agreement"] == 1
    assert compared[0]["text"] != compared[1]["text"]
    exported = json.loads(client.predict(session=session, form="json", api_name="/export")["text"])
    assert [record["kind"] for record in exported["answers"]] == ["ask", "ask", "compare", "compare"]
    start = TEXT.index("30 copper")
    corrected = client.predict(
        session=session, new_text="45", start=start, end=start + 2, method="full_recompute", api_name="/replace"
    )
    assert [edit["new_text"].strip() for edit in corrected["erased"]] == ["", "45"]
    replaced = client.predict(session=session, question=QUESTION, method="full_recompute", api_name="/ask")
    assert replaced["text"] not in (before, answer["text"])
    report = client.predict(session=session, questions=[QUESTION], method="full_recompute", api_name="/report")
    assert report["verdict"] == "exact"
    assert "--replace-range" in report["command"]
    with pytest.raises(Exception, match="does not contain"):
        client.predict(session=session, passage="no such words", api_name="/erase")


def test_only_the_named_endpoints_are_public(server: Server):
    named = Client(server.address, verbose=False).view_api(return_format="dict")["named_endpoints"]
    assert {name.strip("/") for name in named} == ENDPOINTS


@pytest.mark.packaged
def test_the_same_are_mcp_tools(server: Server):
    async def run() -> tuple[set[str], str]:
        async with (
            streamablehttp_client(f"{server.address}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as mcp,
        ):
            await mcp.initialize()
            tools = {tool.name: tool for tool in (await mcp.list_tools()).tools}
            assert all(tool.description for tool in tools.values())
            loaded = await mcp.call_tool("load", {"text": TEXT})
            session = json.loads(loaded.content[0].text)["session"]
            await mcp.call_tool("erase", {"session": session, "passage": SECOND})
            asked = {"session": session, "question": QUESTION, "method": "full_recompute"}
            answer = await mcp.call_tool("ask", asked)
            return set(tools), answer.content[0].text

    tools, answer = run_beside(run)
    assert tools == ENDPOINTS
    assert "30" in answer


@pytest.mark.packaged
@pytest.mark.parametrize("language", ["client", "mcp"])
def test_the_snippets_of_the_documentation_run(server: Server, language):
    """Those of the README and of docs, aimed at this server."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    (snippet,) = re.findall(rf"<!-- {language} -->\n```py(?:thon)?\n(.*?)```", text, re.S)
    aimed = snippet.replace("http://127.0.0.1:7860", server.address)
    done = subprocess.run([sys.executable, "-c", aimed], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if line.startswith(("before: ", "after: ")))
    assert "14 days" in said["before"]
    assert "30 days" in said["after"]
