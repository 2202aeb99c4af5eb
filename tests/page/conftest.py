"""A document that is open on the page, and the page's parts around it."""

import gradio as gr
import pytest

from app.api import Api
from app.ask_panel import Asking
from app.layout import lay_out
from app.store import SessionStore
from app.turns import Turns
from app.workspace import Workspace
from kveraser_core.documents import Document
from kveraser_core.sessions.session import DocumentSession


@pytest.fixture
def workspace(llama):
    document = Document("The toll is 30 coins. =SUM(A1) <b>bold</b>\n\nShips pay at noon.", "harbour.txt")
    return Workspace(DocumentSession.load(llama, document))


@pytest.fixture
def sessions():
    return SessionStore()


@pytest.fixture
def key(workspace, sessions):
    with sessions.room(1, "") as room:
        return sessions.add(workspace, room)


@pytest.fixture
def api(workspace, sessions):
    return Api(workspace.session.backbone, sessions, Turns())


@pytest.fixture
def asking(workspace, sessions):
    with gr.Blocks():
        return Asking(sessions, Turns(), lay_out(workspace.session.backbone))
