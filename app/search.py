"""Searching a document for passages like those that are edited, beside the model."""

from collections.abc import Callable, Sequence

from app.jobs import Job, Stopped
from app.workspace import Workspace
from kveraser_core.documents.similar.finder import Similar
from kveraser_core.documents.spans import Span


def find_similar(
    job: Job, workspace: Workspace, spans: Sequence[Span], looked: Callable[[float], None] = lambda share: None
) -> list[Similar]:
    """Passages like one of `spans`; `looked` is told which share of the document has been looked at.

    The turns of `job` are those of searches, which run beside the model. Raises `Stopped`.
    """
    job.take()

    def progress(done: int, total: int) -> None:
        if job.stopped:
            raise Stopped("e_stopped")
        looked(done / total)
        job.give_way()

    with workspace.session.backbone.lock.without_background():
        return workspace.similar.find(spans, progress=progress)
