"""Sessions whose erased text must not be reachable, and what is tried with them."""

import torch

from kveraser_core.documents import Document
from kveraser_core.methods import METHODS
from kveraser_core.model.generation import Sampling
from kveraser_core.sessions.session import DocumentSession
from tests.tiny import TEXT as HARBOUR

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


def session_answer(backbone):
    return DocumentSession.load(backbone, Document(TEXT, "a")).ask(QUESTION, "none", sampling=SHORT).token_ids
