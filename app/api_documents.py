"""The endpoints that open a document and say how it is kept."""

from collections.abc import Callable
from typing import Any, get_args

import gradio as gr

from app.endpoints import UploadedFile
from app.jobs import Job
from app.results import as_exactness, as_segments
from app.store import SessionStore
from app.texts import PageError
from app.turns import Turns
from app.uploads import read_upload
from app.work import append, load
from app.workspace import PrefillTime
from kveraser_core.documents import Document, read_document
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.prompts import Role

_TITLE = 200
"""Characters of a title that are kept."""
_ROLES: dict[str, Role] = {role: role for role in get_args(Role)}
NOBODY = gr.Request()
"""Stands for the request where Gradio, which gives it, is not there."""


class DocumentEndpoints:
    """Endpoints over a store, whose requests take their turns at the model."""

    def __init__(self, backbone: Backbone, store: SessionStore, turns: Turns) -> None:
        self.backbone, self.store, self.turns = backbone, store, turns

    def load_file(
        self, file: UploadedFile, password: str = "", encoding: str = "", request: gr.Request = NOBODY
    ) -> dict[str, Any]:
        """Prefill a document from an uploaded file and keep it in memory.

        Args:
            file: the path that POST /gradio_api/upload returned for a document (PDF, Word, HTML, e-mail, text, ...)
            password: of an encrypted PDF, else empty
            encoding: of a text or HTML file, if it is not what it is taken for, else empty
        Returns:
            the session id, which the other tools want, with the document's title, pages, characters and tokens, and a
            sentence for each part of the file that was not read
        """
        return self._keep(
            lambda: read_document(*read_upload(file), password=password or None, encoding=encoding or None), request
        )

    def load(self, text: str, title: str = "text", request: gr.Request = NOBODY) -> dict[str, Any]:
        """Prefill a document, given as text, and keep it in memory.

        Args:
            text: the document's text
            title: what to call it
        Returns:
            the session id, which the other tools want, with the document's title, pages, characters and tokens, and a
            sentence for each part of the file that was not read
        """
        return self._keep(lambda: read_document(text.encode("utf-8", "replace"), title[:_TITLE]), request)

    def append(
        self, session: str, text: str, role: str = "document", name: str = "", request: gr.Request = NOBODY
    ) -> list[dict[str, Any]]:
        """Prefill a text after what a model has read: a further document, a turn, or the output of a tool.

        Args:
            session: the id that load gave
            text: what to append
            role: document, user (a question), assistant (an answer) or tool (its output)
            name: what to call it, its role if empty
        Returns:
            the parts of the context with their names, roles, places in characters, which erase takes, and tokens
        """
        if role not in _ROLES:
            raise PageError(f"There is no role {role[:_TITLE]}: use one of {', '.join(_ROLES)}.")
        with Job(self.turns, request) as job, self.store.using(session) as workspace:
            job.take(workspace)
            append(job, workspace, text, _ROLES[role], name[:_TITLE])
            return as_segments(workspace.session)

    def segments(self, session: str, request: gr.Request = NOBODY) -> list[dict[str, Any]]:
        """The parts of what a model has read: the document, and what was appended.

        Args:
            session: the id that load gave
        Returns:
            the parts of the context with their names, roles, places in characters, which erase takes, and tokens
        """
        with self.store.using(session) as workspace:
            return as_segments(workspace.session)

    def _keep(self, parse: Callable[[], Document], request: gr.Request) -> dict[str, Any]:
        with Job(self.turns, request) as job:
            document = parse()
            key, workspace = load(job, self.backbone, self.store, document, PrefillTime())
        return {
            "session": key,
            "title": document.title,
            "warnings": document.warnings,
            "pages": document.page_count,
            "characters": len(document.text),
            "tokens": workspace.session.tokens,
        }

    def exactness(self, session: str, request: gr.Request = NOBODY) -> dict[str, Any]:
        """How near the answers about a document are to exact ones: it is recomputed in the background after an edit.

        Args:
            session: the id that load gave
        Returns:
            the `state`: exact, working, waiting (for memory), failed (for a `reason`) or off; how many tokens of
            `total` are `done`, recomputed, and the `seconds` for the rest, if the model is not needed otherwise
        """
        with self.store.using(session) as workspace:
            return as_exactness(workspace.session)["exactness"]
