"""The README.md that lies beside every eraser: what it is, what it was trained on, and how."""

import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import matplotlib

from kveraser_core.training.recipe import Recipe

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_WINDOW = 50


def write_model_card(out: Path, model: str, recipe: Recipe, data: list[str], shares: dict[str, float]) -> None:
    """Write the model card and the loss curve of the run in `out`."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows]
    smooth = [sum(losses[max(n - _WINDOW, 0) : n]) / min(n, _WINDOW) for n in range(1, len(losses) + 1)]
    figure, axes = plt.subplots(figsize=(7, 4), view="constrained")
    axes.plot(losses, alpha=0.25)
    axes.plot(smooth)
    axes.set(xlabel="step", ylabel="KL to full recompute, nats a token", yscale="log")
    figure.savefig(out / "loss.png", dpi=120)
    plt.close(figure)
    contexts = sum(row["contexts"] for row in rows)
    lines = [
        "---",
        "library_name: peft",
        f"base_model: {model}",
        "tags: [kveraser, lora]",
        "---",
        "",
        f"# Eraser for {model}",
        "",
        "A LoRA adapter that, run over the tokens behind a span as if they followed its prefix, emits the steering",
        "states which make a cached context answer as if the span had never been there (after KVEraser, arXiv",
        f"2606.17034). `steering.json` says how many tokens it is run over at most: {recipe.lookahead}.",
        "",
        f"- Trained on: {', '.join(data)}",
        f"- Mixture: {', '.join(f'{task} {share:.0%}' for task, share in shares.items())}",
        f"- Steps: {len(rows):,} with {contexts:,} contexts, {sum(row['seconds'] for row in rows) / 60:,.0f} minutes",
        f"- Mean loss over the last {min(_WINDOW, len(rows))} steps: {smooth[-1]:.4f} nats a token",
        f"- Code: commit {_commit()}",
        "",
        "```json",
        json.dumps(asdict(recipe), indent=2),
        "```",
        "",
    ]
    (out / "README.md").write_text("\n".join(lines))


def _commit() -> str:
    asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() or "unknown"
