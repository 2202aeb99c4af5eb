"""What is done with the model, for the page and for programs alike: load a document, answer, compare, report.

Each gives way to others after a moment's work, and ends early once nobody listens or its time is over.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from app.jobs import LONGEST_S, Job, Stopped
from app.languages import check_language
from app.store import SessionStore
from app.texts import WordedError
from app.workspace import AskedTurn, Comparison, PrefillTime, Workspace
from kveraser_core.documents import Document
from kveraser_core.methods import REFERENCE, get_method, ordered
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.generation import Cancelled, Sampling
from kveraser_core.model.prompts import Role, Turn
from kveraser_core.sessions.answers import Answer
from kveraser_core.sessions.memory import document_bytes
from kveraser_core.sessions.report import ErasureReport
from kveraser_core.sessions.report_command import report_command
from kveraser_core.sessions.session import DocumentSession
from kveraser_core.sessions.window import check_fits

ANSWER_TOKENS, COMPARED_TOKENS, METHODS_AT_ONCE = 1024, 256, 16
"""The longest answer, the longest of a comparison, and the most methods of one."""
CHARACTERS = 2_000_000
"""The longest document that is tokenized at all: a page of the model's window has some thousands."""
QUESTION = 20_000
"""Characters of the longest question."""
NEW_TEXT = 40_000
"""Characters of the longest text in the place of a passage."""


class TooMuchAsked(WordedError):
    """A request for more than one may have."""


class TimeOver(WordedError):
    """An answer or a comparison that had the model for as long as one may."""


def sampling(tokens: int, most: int, brief: bool = True) -> Sampling:
    """Greedy decoding of one sentence, or of several where not `brief`, and at most `tokens` tokens.

    Raises `TooMuchAsked` beyond `most`.
    """
    if tokens > most:
        raise TooMuchAsked("e_too_many_tokens", n=f"{tokens:,}", most=f"{most:,}")
    return Sampling(max_tokens=tokens, loops=False, brief=brief)


def question_of(text: str) -> str:
    """The question in `text`. Raises `TooMuchAsked` before anything is done with one that is far too long."""
    if len(text) > QUESTION:
        raise TooMuchAsked("e_long_question", n=f"{len(text):,}", most=f"{QUESTION:,}")
    return text.strip()


def new_text_of(text: str) -> str:
    """The new text in `text`. Raises `TooMuchAsked` before anything is done with one that is far too long."""
    if len(text) > NEW_TEXT:
        raise TooMuchAsked("e_long_new_text", n=f"{len(text):,}", most=f"{NEW_TEXT:,}")
    return text


def load(
    job: Job, backbone: Backbone, store: SessionStore, document: Document, time: PrefillTime, owner: str = ""
) -> tuple[str, Workspace]:
    """Prefill `document` for the tab `owner` and keep it: its id and its workspace.

    The seconds that `time` marks are those of the prefill, without those of waiting. Raises `NoRoom` before anything
    is prefilled, `DocumentTooLong`, `Cancelled` and what `Job.take` raises.
    """
    if len(document.text) > CHARACTERS:
        raise TooMuchAsked("e_too_many_characters", n=f"{len(document.text):,}", most=f"{CHARACTERS:,}")
    try:
        job.take()
    except Stopped as error:
        raise Cancelled("Reading was cancelled: load the document again to go on.") from error
    ids, token_map = backbone.tokenize(document.text)
    check_fits(backbone, document, token_map)
    # Besides the cache itself an edit may hold nearly as much: full recompute saves the whole suffix.
    with store.room(2 * document_bytes(backbone, len(ids)), job.client, owner) as room:
        time.start()

        def progress(done: int, total: int) -> None:
            time.mark(done, total)
            if done < total:
                time.leave_out(job.give_way())

        session = DocumentSession.load(backbone, document, progress, lambda: job.stopped, store.exact_soon)
        workspace = Workspace(session, time)
        return store.add(workspace, room), workspace


def answer(
    job: Job, workspace: Workspace, turn: AskedTurn, follow_up: bool, wanted: Sampling, exact: bool = False
) -> None:
    """Answer the question of `turn`, whose text grows as the answer comes; the turns before it go along if wanted.

    An `exact` answer waits until what is erased is recomputed. Raises `UnknownMethod`, `MissingEraser` and
    `UnreadLanguage` before it waits, `DocumentBusy`, and what the session raises.
    """
    get_method(turn.method).check_eraser(workspace.session.backbone)
    check_language(workspace.session.backbone, turn.question)
    with _stoppable(workspace.asking, job):
        try:
            job.take(workspace)
        except Stopped:
            turn.stopped = "stopped"
            return
        turn.edits = workspace.edits
        history = earlier_turns(workspace, turn.question) if follow_up else []
        try:
            if exact:
                workspace.session.make_exact(
                    lambda done, total: job.give_way(), lambda: job.stopped or job.time_is_over
                )
        except (Cancelled, Stopped):
            turn.stopped = "time_over" if job.time_is_over else "stopped"
            return
        method = REFERENCE if exact else turn.method if turn.named else None
        pieces = workspace.session.stream(turn.question, method, history, wanted)
        try:
            for piece in pieces:
                if isinstance(piece, Answer):
                    turn.answer, turn.text, turn.method = piece, piece.text, piece.method
                    return
                turn.text += piece
                if job.stopped:
                    return
                if job.time_is_over:
                    turn.stopped = "time_over"
                    return
                job.give_way()
        except Stopped:
            return
        finally:
            pieces.close()  # type: ignore[attr-defined]
            turn.stopped = turn.stopped or ("" if turn.answer else "stopped")


def append(job: Job, workspace: Workspace, text: str, role: Role, name: str = "") -> None:
    """Prefill `text` after what is in the context of `workspace`, which `job` has.

    Raises `TooMuchAsked`, `NoRoomToAppend` and `Cancelled`.
    """
    if len(text) > CHARACTERS:
        raise TooMuchAsked("e_too_many_characters", n=f"{len(text):,}", most=f"{CHARACTERS:,}")
    workspace.append(text, role, name, lambda done, total: job.give_way(), lambda: job.stopped)


def remember(job: Job, workspace: Workspace, turn: AskedTurn) -> None:
    """Keep a question and its answer in the context. Raises as `append`."""
    append(job, workspace, turn.question, "user", turn.question)
    turn.remembered = True
    append(job, workspace, turn.text, "assistant", turn.text)


def compare(job: Job, workspace: Workspace, comparison: Comparison, methods: Sequence[str], wanted: Sampling) -> None:
    """Answer the question of `comparison` with erase `methods`, each once and full recompute last.

    The others are then measured against it. Those that the time does not suffice for get an answer that says so.
    Raises `TooMuchAsked` and `UnreadLanguage`.
    """
    left = ordered(methods)
    if len(left) > METHODS_AT_ONCE:
        raise TooMuchAsked("e_too_many_methods", n=len(left), most=METHODS_AT_ONCE)
    check_language(workspace.session.backbone, comparison.question)
    with _stoppable(workspace.comparing, job), suppress(Stopped):
        job.take(workspace)
        comparison.edits = workspace.edits
        answers = workspace.session.stream_compared(comparison.question, left, sampling=wanted)
        try:
            for found in answers:
                if not comparison.answers:
                    workspace.comparisons.append(comparison)
                if found.method in left:
                    comparison.answers.append(found)
                    left.remove(found.method)
                else:
                    comparison.measured(found)
                if job.stopped:
                    return
                if job.time_is_over:
                    comparison.answers += [Answer(name, comparison.question, error=time_over()) for name in left]
                    return
                job.give_way()
        finally:
            answers.close()  # type: ignore[attr-defined]


def report(
    job: Job,
    workspace: Workspace,
    questions: Sequence[str] = (),
    method: str | None = None,
    measured: Callable[[float], None] = lambda share: None,
) -> ErasureReport:
    """What is left of what is edited; `measured` is told which share is done. Raises `Stopped`, and as a session."""
    session = workspace.session
    get_method(method or session.default_method).check_eraser(session.backbone)
    job.take(workspace)

    def progress(share: float) -> None:
        if job.stopped:
            raise Stopped("e_stopped")
        measured(share)
        job.give_way()

    by = method or session.method_now
    return session.report(questions, by, report_command(session, questions, by), progress)


def time_over() -> TimeOver:
    """What is said where the time of a request was over."""
    return TimeOver("e_time_over", s=round(LONGEST_S))


def earlier_turns(workspace: Workspace, question: str) -> list[Turn]:
    """The finished turns that `question` may follow: none that was answered before the last change, nor its own."""
    return [
        Turn(turn.question, turn.text)
        for turn in list(workspace.turns)
        if turn.answer and turn.text and turn.edits == workspace.edits
        if not turn.remembered and turn.question != question
    ]


@contextmanager
def _stoppable(stops: set[threading.Event], job: Job) -> Iterator[None]:
    stops.add(job.cancelled)
    try:
        yield
    finally:
        stops.discard(job.cancelled)
