"""A context, and spans of it to erase."""

import pytest

from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.context import read_context
from tests.methods.states import one, several
from tests.tiny import TEXT


@pytest.fixture
def context(backbone: Backbone):
    return read_context(backbone, backbone.tokenize(TEXT)[0])


@pytest.fixture(params=[one, several])
def spans(request, context):
    return request.param(context)
