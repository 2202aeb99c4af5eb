"""The README.md that lies beside every eraser: what it is, what it was trained on, and how."""

import json
from dataclasses import asdict
from pathlib import Path

import matplotlib

from kveraser_core.model.provenance import commit
from kveraser_core.training.recipe import Recipe

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_WINDOW = 50


def write_model_card(out: Path, model: str, recipe: Recipe, data: list[str], shares: dict[str, float]) -> None:
    """Write the model card and the loss curve of the run in `out`."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows]
    smooth = [sum(losses[max(n - _WINDOW, 0) : n]) / min(n, _WINDOW) for n in range(1, len(losses) + 1)]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
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
        f"A LoRA adapter for the erase method `{recipe.method}`. It emits the steering states that make a cached",
        "context answer as if the span had never been there (KVEraser, arXiv 2606.17034). `steering.json` says what",
        "it was trained for.",
        "",
        f"- Trained on: {', '.join(data)}",
        f"- Mixture: {', '.join(f'{task} {share:.0%}' for task, share in shares.items())}",
        f"- Steps: {len(rows):,} with {contexts:,} contexts, {sum(row['seconds'] for row in rows) / 60:,.0f} minutes",
        f"- Mean loss over the last {min(_WINDOW, len(rows))} steps: {smooth[-1]:.4f} nats a token",
        f"- Code: commit {commit()}",
        "",
        "```json",
        json.dumps(asdict(recipe), indent=2),
        "```",
        "",
    ]
    (out / "README.md").write_text("\n".join(lines))
