"""What a step needs: floating-point operations and bytes, from the model's sizes alone.

A step is one or more passes of tokens through the model. Every pass reads the weights once, reads the
cached keys and values it attends to once and writes those of its own tokens; activations are taken to stay
in the processor's caches. A pass can be no faster than the slower of its operations and its bytes (the
roofline of Williams et al. 2009), and passes follow one another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kveraser_core.model.backbone import Backbone


class Work(NamedTuple):
    """What a pass needs: floating-point operations, and bytes moved from or to memory."""

    flops: float = 0.0
    moved: float = 0.0


class Block(NamedTuple):
    """`new` consecutive tokens after `past` tokens that they attend to, and to themselves causally."""

    new: int
    past: int


class StepWork(NamedTuple):
    """What a run needs: the passes of an erase, all of them up to a question's first token, a decoded token's."""

    erase: list[Work]
    first_token: list[Work]
    decode: Work


class Speeds(NamedTuple):
    """What the device was measured to do: FLOP/s of matrix products, bytes/s read, and bytes/s copied
    (read and written, both counted), in the dtype of the model."""

    flops_per_s: float
    read_per_s: float
    copied_per_s: float

    def seconds(self, *passes: Work) -> float:
        """The least time in which `passes` can be done."""
        moved_per_s = max(self.read_per_s, self.copied_per_s)
        return sum(max(work.flops / self.flops_per_s, work.moved / moved_per_s) for work in passes)


@dataclass(frozen=True)
class ModelSize:
    """The sizes of a decoder that decide what a pass costs.

    `projections` are the elements of all layers' matrices, `head` those of the output embedding,
    `adapter` those of the eraser's LoRA matrices; `width` is the bytes of one element, `state_width` those of one
    of a key or value. A pass of one token reads the projections as `row_bytes`, its logits the output embedding as
    `head_bytes`.
    """

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    projections: int
    head: int
    adapter: int
    width: int
    state_width: int
    row_bytes: int
    head_bytes: int

    @classmethod
    def of(cls, backbone: Backbone) -> "ModelSize":
        """The sizes of a loaded model and its eraser, if there is one."""
        config = backbone.model.config
        hidden, inner = config.hidden_size, config.intermediate_size
        heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
        head_dim = getattr(config, "head_dim", None) or hidden // heads
        layer = 2 * hidden * head_dim * (heads + kv_heads) + 3 * hidden * inner
        lora = backbone.eraser.weights.values() if backbone.eraser else ()
        projections, head = config.num_hidden_layers * layer, hidden * config.vocab_size
        width = backbone.model.dtype.itemsize
        return cls(
            layers=config.num_hidden_layers,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            projections=projections,
            head=head,
            adapter=sum(weight.numel() for weight in lora),
            width=width,
            state_width=backbone.engine.cache_dtype.itemsize,
            row_bytes=backbone.engine.row_bytes or projections * width,
            head_bytes=backbone.engine.head_bytes or head * width,
        )

    @property
    def token_bytes(self) -> int:
        """Bytes of one token's keys and values in all layers."""
        return 2 * self.layers * self.kv_heads * self.head_dim * self.state_width

    def reading(self, blocks: Sequence[Block], logits: int = 0, adapted: int = 0) -> Work:
        """One pass of `blocks`, with the logits of `logits` tokens and `adapted` tokens run with the eraser on."""
        tokens = sum(block.new for block in blocks)
        if not tokens:
            return Work()
        seen = sum(block.new * block.past + block.new * (block.new + 1) // 2 for block in blocks)
        products = tokens * self.projections + logits * self.head + adapted * self.adapter
        attention = 2 * self.layers * self.heads * self.head_dim * seen
        weights = self.row_bytes if tokens == 1 else self.projections * self.width
        if logits:
            weights += self.head_bytes if logits == 1 else self.head * self.width
        if adapted:
            weights += self.adapter * self.width
        states = max(block.past for block in blocks) + tokens
        return Work(2.0 * (products + attention), float(weights + states * self.token_bytes))
