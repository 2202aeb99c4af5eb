"""What is to be seen before there is a document: what erasing does, and samples to try it with."""

from typing import Any

from app.samples import samples
from app.widget import Widget
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.packaged import MODEL_NAME


class Welcome(Widget):
    """The samples, with what is wrong in each. Event `sample` with the `file` of the one to open."""

    scripts = ("welcome",)
    styles = ("panel", "welcome")


def welcome(backbone: Backbone) -> dict[str, Any]:
    """The welcome's data."""
    shown = [
        {
            "file": sample.file,
            "en": {"title": sample.title, "description": sample.description},
            "zh": sample.zh,
            "with": sample.questions[0]["with"],
            "without": sample.questions[0]["without"],
        }
        for sample in samples()
    ]
    return {"samples": shown, "packaged": backbone.name == MODEL_NAME, "model": backbone.name}
