"""What results come from: carried by every results file, so that files of different origin are never mixed."""

import subprocess
from pathlib import Path
from typing import Any

from kveraser_core.errors import KVEraserError
from kveraser_core.model.backbone import Backbone

Provenance = dict[str, Any]


class OtherResults(KVEraserError):
    """A folder holds results that do not belong to this run."""


def provenance(backbone: Backbone, seed: int | None) -> Provenance:
    """Model, eraser, engine, dtype, device, commit and seed; a seed of `None` where nothing is drawn."""
    return {
        "model": backbone.name,
        "eraser": backbone.eraser.source if backbone.eraser else None,
        "engine": backbone.engine.name,
        "dtype": str(backbone.model.dtype).removeprefix("torch."),
        "device": backbone.device.type,
        "commit": commit(),
        "seed": seed,
    }


def check_same(folder: Path, before: Provenance, now: Provenance) -> None:
    """Raise `OtherResults` where the results in `folder`, of the run `before`, are of another run than `now`."""
    for name, value in now.items():
        if before.get(name) != value:
            raise OtherResults(
                f"{folder} holds results with another {name} ({before.get(name)}, now {value}): give another --out."
            )


def commit() -> str:
    """The commit of the code, `unknown` outside its repository."""
    asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() or "unknown"
